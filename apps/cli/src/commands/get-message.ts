import { GetMessageResponse, Message, type StoredMessage } from '@hermes/contracts';
import { facts, show, timeText } from '../output.js';
import { type Session } from '../session.js';
import { bodyText } from './message-line.js';

/** hermes message get ID */
export async function getMessage(session: Session, messageId: string): Promise<void> {
  const response = await session.unary<GetMessageResponse>((metadata, options, done) =>
    session.partitions.getMessage({ messageId }, metadata, options, done),
  );
  await show(session, response, GetMessageResponse, ({ stored }) => (stored === undefined ? [] : lines(stored)));
}

function lines({ messageId, message = Message.create(), publishedAt }: StoredMessage): string[] {
  const { body, key, refKey, priority, contentType, attributes } = message;
  return [
    ...facts([
      ['message', messageId],
      ['published', timeText(publishedAt)],
      ['key', key],
      ['ref key', refKey],
      ['priority', priority],
      ['content type', contentType],
      ...[...attributes].map(([name, value]) => [`attribute ${name}`, value] as const),
    ]),
    '',
    bodyText(body),
  ];
}
