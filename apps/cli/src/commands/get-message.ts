import { GetMessageResponse, timestampToMs } from '@hermes/contracts';
import { facts, show } from '../output.js';
import { type Session } from '../session.js';
import { bodyText } from './message-line.js';

/** hermes message get ID */
export async function getMessage(session: Session, messageId: string): Promise<void> {
  const response = await session.unary<GetMessageResponse>((metadata, options, done) =>
    session.partitions.getMessage({ messageId }, metadata, options, done),
  );
  await show(session, response, GetMessageResponse, ({ stored }) => {
    const { message, publishedAt } = stored ?? {};
    return [
      ...facts([
        ['message', stored?.messageId],
        ['published', publishedAt && new Date(timestampToMs(publishedAt) ?? 0).toISOString()],
        ['key', message?.key],
        ['ref key', message?.refKey],
        ['priority', message?.priority],
        ['content type', message?.contentType],
        ...[...(message?.attributes ?? [])].map(([name, value]) => [`attribute ${name}`, value] as const),
      ]),
      '',
      bodyText(message?.body ?? Buffer.alloc(0)),
    ];
  });
}
