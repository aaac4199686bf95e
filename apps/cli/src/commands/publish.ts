import {
  durationFromMs,
  type Message,
  PublishRequest,
  PublishResponse,
  type PublishResult,
  statusToError,
  timestampFromMs,
} from '@hermes/contracts';
import { EXIT_CODE, ExitError } from '@hermes/kit';
import { remoteFailure } from '../failure.js';
import { show } from '../output.js';
import { type Session } from '../session.js';
import { Interruption } from '../terminal.js';
import { readAll, readLines } from './standard-input.js';

/** A batch stays well below the contract's 1,000 messages and 4 MiB. */
const BATCH_MESSAGES_MAX = 500;
const BATCH_BYTES_MAX = 1_048_576;

/** Fields that all messages of one command share. */
export interface PublishFlags {
  readonly lines?: boolean;
  readonly key?: string;
  readonly refKey?: string;
  readonly attr?: Map<string, string>;
  readonly contentType?: string;
  readonly partition?: number;
  readonly priority?: number;
  /** Milliseconds. */
  readonly delay?: number;
  readonly deliverAt?: Date;
  /** Milliseconds. */
  readonly ttl?: number;
  readonly idempotencyKey?: string;
}

interface Tally {
  published: number;
  refused: number;
  /** Sent, without an answer yet. */
  open: number;
}

/** hermes publish T [BODY|-]: one message, or with `lines` one for each line of standard input, in order. */
export async function publish(
  session: Session,
  topic: string,
  body: string | undefined,
  flags: PublishFlags,
): Promise<void> {
  const tally: Tally = { published: 0, refused: 0, open: 0 };
  try {
    for await (const bodies of batches(session, body, flags)) {
      await publishBatch(session, { topic, bodies, flags, tally });
    }
  } catch (error) {
    noteUnknown(session, tally, error);
    throw error;
  }
  if (flags.lines === true) {
    session.terminal.note(`published ${tally.published} messages to ${topic}`);
  }
  if (tally.refused > 0) {
    throw new ExitError(
      EXIT_CODE.REFUSED,
      `${tally.refused} of ${tally.published + tally.refused} messages were refused`,
    );
  }
}

async function* batches(
  session: Session,
  body: string | undefined,
  flags: PublishFlags,
): AsyncGenerator<readonly Buffer[]> {
  const { stdin, signal } = session.terminal;
  const fromInput = body === undefined || body === '-';
  if (flags.lines === true && !fromInput) {
    throw new ExitError(EXIT_CODE.USAGE, '--lines reads standard input: give - or nothing in place of the body');
  }
  if (body === undefined && stdin.isTTY === true) {
    throw new ExitError(EXIT_CODE.USAGE, 'nothing to publish: give a body, or - to read standard input');
  }
  if (!fromInput) {
    yield [Buffer.from(body)];
  } else if (flags.lines === true) {
    yield* readLines(stdin, { linesMax: BATCH_MESSAGES_MAX, bytesMax: BATCH_BYTES_MAX, signal });
  } else {
    yield [await readAll(stdin, signal)];
  }
}

async function publishBatch(
  session: Session,
  batch: {
    readonly topic: string;
    readonly bodies: readonly Buffer[];
    readonly flags: PublishFlags;
    readonly tally: Tally;
  },
): Promise<void> {
  const { topic, bodies, flags, tally } = batch;
  const request = PublishRequest.fromPartial({
    topic,
    messages: bodies.map((body) => messageOf(body, flags)),
    ...(flags.partition === undefined ? {} : { partition: flags.partition }),
  });
  tally.open = bodies.length;
  const response = await session.unary<PublishResponse>((metadata, options, done) =>
    session.messaging.publish(request, metadata, options, done),
  );
  tally.open = 0;
  const failures = response.results.flatMap(({ outcome }) => (outcome?.$case === 'error' ? [outcome.value] : []));
  tally.refused += failures.length;
  tally.published += response.results.length - failures.length;
  await show(session, response, PublishResponse, ({ results }) =>
    results.map(resultText).filter((text) => text !== ''),
  );
  const [first] = failures;
  if (first !== undefined) {
    const { exitCode, message = '' } = remoteFailure(statusToError(first), session.options.server);
    if (bodies.length === 1 && flags.lines !== true) {
      throw new ExitError(exitCode, message);
    }
    session.terminal.note(`hermes: ${failures.length} refused, the first: ${message}`);
  }
}

function messageOf(body: Buffer, flags: PublishFlags): Partial<Message> {
  return {
    body,
    ...(flags.key === undefined ? {} : { key: flags.key }),
    ...(flags.refKey === undefined ? {} : { refKey: flags.refKey }),
    ...(flags.attr === undefined ? {} : { attributes: flags.attr }),
    ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }),
    ...(flags.ttl === undefined ? {} : { ttl: durationFromMs(flags.ttl) }),
    schedule: scheduleOf(flags),
  };
}

function scheduleOf({ delay, deliverAt }: PublishFlags): Message['schedule'] {
  if (delay !== undefined) {
    return { $case: 'delay', value: durationFromMs(delay) };
  }
  return deliverAt === undefined ? undefined : { $case: 'deliverAt', value: timestampFromMs(deliverAt.getTime()) };
}

function resultText({ outcome }: PublishResult): string {
  return outcome?.$case === 'messageId' || outcome?.$case === 'scheduleId' ? outcome.value : '';
}

/** After an interruption or a lost connection somebody must be able to tell what to look for. */
function noteUnknown(session: Session, tally: Tally, error: unknown): void {
  const asked = !(error instanceof ExitError) && tally.open > 0;
  if (asked && (error instanceof Interruption || tally.published > 0)) {
    session.terminal.note(
      `hermes: ${tally.published} messages are published; of ${tally.open} more it is unknown whether they are`,
    );
  }
}
