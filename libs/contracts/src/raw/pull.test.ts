import fc from 'fast-check';
import { deliveries } from '../../test/arbitraries.js';
import { Message, PullResponse } from '../messaging.js';
import { timestampToMs } from '../timestamp.js';
import { decodePullResponse, encodePullResponse } from './pull.js';
import { WireError } from './wire-error.js';

describe('raw PullResponse', () => {
  it('is written as the generated code writes it, and read back', () => {
    fc.assert(
      fc.property(fc.array(deliveries, { maxLength: 5 }), (all) => {
        const generated = PullResponse.encode({ deliveries: all }).finish();
        const raw = all.map(({ message, publishedAt, ...rest }) => ({
          ...rest,
          message: Message.encode(message!).finish(),
          publishedAtMs: timestampToMs(publishedAt!)!,
        }));
        const bytes = encodePullResponse({ deliveries: raw });
        expect(PullResponse.decode(bytes)).toEqual(PullResponse.decode(generated));
        expect(bytes).toHaveLength(generated.length);
        expect(encodePullResponse(decodePullResponse(bytes)).equals(bytes)).toBe(true);
      }),
    );
  });

  it('ignores fields of later versions, and refuses damage', () => {
    expect(decodePullResponse(Buffer.from([0x18, 1]))).toEqual({ deliveries: [] });
    expect(() => decodePullResponse(Buffer.from([0x0a, 9]))).toThrow(WireError);
  });
});
