import fc from 'fast-check';
import { bytes as anyBytes, deliveries, int32 } from '../../test/arbitraries.js';
import { type Delivery, GroupMode, Message, SubscribeResponse } from '../messaging.js';
import { timestampToMs } from '../timestamp.js';
import { deliveryFieldBytes, type RawDelivery } from './delivery.js';
import { decodeSubscribeResponse, encodeSubscribeResponse, type RawSubscribeResponse } from './subscribe.js';
import { WireError } from './wire-error.js';

/** The raw form of a generated delivery. */
function raw({ message, publishedAt, ...rest }: Delivery): RawDelivery {
  return {
    ...rest,
    message: Message.encode(message!).finish(),
    publishedAtMs: timestampToMs(publishedAt!)!,
  };
}

const batches = fc.record({ sequence: fc.maxSafeNat(), deliveries: fc.array(deliveries, { maxLength: 5 }) });

const otherFrames: fc.Arbitrary<SubscribeResponse> = fc.oneof(
  fc.constant({ frame: undefined }),
  fc.constant({ frame: { $case: 'heartbeat' as const, value: {} } }),
  fc.record({ partitions: fc.array(int32), grace: fc.constant({ seconds: 5, nanos: 0 }) }).map((value) => ({
    frame: { $case: 'draining' as const, value },
  })),
  fc
    .record({
      subscriptionId: anyBytes(),
      resumed: fc.boolean(),
      partitions: fc.array(int32),
      mode: fc.constantFrom(GroupMode.SHARED, GroupMode.EXCLUSIVE),
      ackDeadline: fc.constant(undefined),
      maxAttempts: int32,
    })
    .map((value) => ({ frame: { $case: 'accepted' as const, value } })),
);

describe('raw SubscribeResponse', () => {
  it('writes batches as the generated code writes them, and reads them back', () => {
    fc.assert(
      fc.property(batches, ({ sequence, deliveries }) => {
        const generated: SubscribeResponse = { frame: { $case: 'batch', value: { sequence, deliveries } } };
        const frame: RawSubscribeResponse = {
          frame: { $case: 'batch', value: { sequence, deliveries: deliveries.map(raw) } },
        };
        const bytes = encodeSubscribeResponse(frame);
        expect(SubscribeResponse.decode(bytes)).toEqual(
          SubscribeResponse.decode(SubscribeResponse.encode(generated).finish()),
        );
        expect(bytes.length).toBe(SubscribeResponse.encode(generated).finish().length);
        expect(encodeSubscribeResponse(decodeSubscribeResponse(bytes)).equals(bytes)).toBe(true);
      }),
    );
  });

  it('writes and reads all other frames as the generated code does', () => {
    fc.assert(
      fc.property(otherFrames, (response) => {
        const bytes = SubscribeResponse.encode(response).finish();
        expect(encodeSubscribeResponse(response as RawSubscribeResponse).equals(bytes)).toBe(true);
        expect(decodeSubscribeResponse(bytes).frame).toEqual(response.frame);
      }),
    );
  });

  it('tells how many bytes a delivery adds', () => {
    fc.assert(
      fc.property(deliveries, (delivery) => {
        const value = { sequence: 0, deliveries: [delivery] };
        const alone = SubscribeResponse.encode({ frame: { $case: 'batch', value } }).finish();
        const [head, inner] = [1, deliveryFieldBytes(raw(delivery))];
        expect(alone.length).toBe(head + (inner < 128 ? 1 : inner < 16_384 ? 2 : 3) + inner);
      }),
    );
  });

  it('refuses a delivery that is cut short', () => {
    expect(() => decodeSubscribeResponse(Uint8Array.from([0x12, 4, 0x12, 2, 0x0a, 5]))).toThrow(WireError);
  });
});
