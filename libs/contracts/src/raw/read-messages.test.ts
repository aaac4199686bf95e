import fc from 'fast-check';
import { storedMessages } from '../../test/arbitraries.js';
import { Message } from '../messaging.js';
import { ReadMessagesResponse, type StoredMessage } from '../partition.js';
import { timestampToMs } from '../timestamp.js';
import {
  decodeReadMessagesResponse,
  encodeReadMessagesResponse,
  type RawStoredMessage,
  storedMessageFieldBytes,
} from './read-messages.js';
import { WireError } from './wire-error.js';

/** The raw form of a generated stored message. */
function raw({ messageId, message, publishedAt }: StoredMessage): RawStoredMessage {
  return { messageId, message: Message.encode(message!).finish(), publishedAtMs: timestampToMs(publishedAt!)! };
}

describe('raw ReadMessagesResponse', () => {
  it('is written and read as the generated code does', () => {
    fc.assert(
      fc.property(fc.array(storedMessages, { maxLength: 5 }), (messages) => {
        const bytes = encodeReadMessagesResponse({ messages: messages.map(raw) });
        expect(bytes.equals(ReadMessagesResponse.encode({ messages }).finish())).toBe(true);
        expect(encodeReadMessagesResponse(decodeReadMessagesResponse(bytes)).equals(bytes)).toBe(true);
        expect(messages.map(raw).reduce((sum, stored) => sum + storedMessageFieldBytes(stored), 0)).toBe(bytes.length);
      }),
    );
  });

  it('refuses damaged bytes', () => {
    expect(() => decodeReadMessagesResponse(Uint8Array.from([0x0a, 3, 0x12, 9, 1]))).toThrow(WireError);
  });
});
