import {
  DeadLetterCause,
  DiscardDeadLettersResponse,
  ListDeadLettersRequest,
  ListDeadLettersResponse,
  RedriveDeadLettersRequest,
  RedriveDeadLettersResponse,
} from '@hermes/contracts';
import { show, table, timeText } from '../output.js';
import { type Session } from '../session.js';
import { type GroupName } from './group.js';

/** Which dead letters a command means. */
export interface DeadLetterFlags {
  readonly id?: readonly string[];
  readonly filter?: string;
  readonly all?: boolean;
}

const CAUSES: Readonly<Record<DeadLetterCause, string>> = {
  [DeadLetterCause.UNSPECIFIED]: '',
  [DeadLetterCause.ATTEMPTS]: 'attempts',
  [DeadLetterCause.CONSUMER]: 'consumer',
  [DeadLetterCause.EXPIRED]: 'expired',
};

/** hermes dlq list T G: page by page, so that a long list begins at once. */
export async function listDeadLetters(
  session: Session,
  name: GroupName,
  { filter = '' }: { readonly filter?: string },
): Promise<void> {
  let pageToken = '';
  let shown = 0;
  do {
    const request = ListDeadLettersRequest.fromPartial({ ...name, filter, pageToken });
    const page = await session.unary<ListDeadLettersResponse>((metadata, options, done) =>
      session.partitions.listDeadLetters(request, metadata, options, done),
    );
    pageToken = page.nextPageToken;
    if (page.deadLetters.length > 0 || session.options.output === 'json') {
      await show(session, page, ListDeadLettersResponse, lines);
    }
    shown += page.deadLetters.length;
  } while (pageToken !== '');
  if (shown === 0 && session.options.output === 'table') {
    await session.terminal.print(`group ${name.group} has no ${filter === '' ? '' : 'such '}dead letters`);
  }
}

/** hermes dlq redrive T G: as attempt 1, to that group alone. */
export async function redriveDeadLetters(session: Session, name: GroupName, flags: DeadLetterFlags): Promise<void> {
  const total = await move(flags, name, (request) =>
    session.unary<RedriveDeadLettersResponse>((metadata, options, done) =>
      session.partitions.redriveDeadLetters(request, metadata, options, done),
    ),
  );
  await show(session, { count: total, remaining: 0 }, RedriveDeadLettersResponse, () => [`${total} redriven`]);
}

/** hermes dlq discard T G: deletes them. */
export async function discardDeadLetters(session: Session, name: GroupName, flags: DeadLetterFlags): Promise<void> {
  const total = await move(flags, name, (request) =>
    session.unary<DiscardDeadLettersResponse>((metadata, options, done) =>
      session.partitions.discardDeadLetters(request, metadata, options, done),
    ),
  );
  await show(session, { count: total, remaining: 0 }, DiscardDeadLettersResponse, () => [`${total} discarded`]);
}

/** A server moves only so many at a call. */
async function move(
  { id = [], filter = '', all = false }: DeadLetterFlags,
  name: GroupName,
  call: (request: RedriveDeadLettersRequest) => Promise<RedriveDeadLettersResponse>,
): Promise<number> {
  const request = RedriveDeadLettersRequest.fromPartial({ ...name, messageIds: [...id], filter, all });
  let total = 0;
  for (;;) {
    const { count, remaining } = await call(request);
    total += count;
    if (remaining === 0 || count === 0) {
      return total;
    }
  }
}

function lines({ deadLetters }: ListDeadLettersResponse): string[] {
  return table(
    ['MESSAGE', 'CAUSE', 'ATTEMPTS', 'DIED', 'KEY', 'REASON'],
    deadLetters.map(({ messageId, cause, attempts, diedAt, message, reason }) => [
      messageId,
      CAUSES[cause],
      attempts,
      timeText(diedAt),
      message?.key,
      reason,
    ]),
  );
}
