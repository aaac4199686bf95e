import { decodeReceipt, Message, SubscribeResponse } from '@hermes/contracts';
import { AppendBatch } from '@hermes/log';
import fc from 'fast-check';
import { encodeDeliveryFrame } from './delivery-frame.js';

const number = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 }), fc.maxSafeNat());

test('a frame is what the generated code would write', () => {
  const delivery = fc.record({
    body: fc
      .uint8Array({ maxLength: 300 })
      .map((body) => Message.encode(Message.fromPartial({ body: Buffer.from(body) } as never)).finish()),
    lane: fc.integer({ min: 0, max: 9 }),
    offset: number,
    attempt: fc.integer({ min: 1, max: 100 }),
    deliveryNo: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    redelivered: fc.boolean(),
    mayExpire: fc.boolean(),
    appendedAtMs: fc.integer({ min: 0, max: 4e12 }),
  });
  const source = fc.record({
    partition: fc.integer({ min: 0, max: 1_023 }),
    consumerEpoch: number,
    fencingToken: number,
    receiptTag: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  });
  const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(source, sequence, fc.array(delivery, { minLength: 1, maxLength: 20 }), (from, nth, deliveries) => {
      const entries = deliveries.map(({ body, appendedAtMs, ...dispatch }) => {
        const batch = AppendBatch.pack(1, [{ record: body, keyHash: 0 }]);
        batch.appendedAtMs[0] = appendedAtMs;
        return { dispatch, record: { block: batch.toBlock(), index: 0 } };
      });
      const frame = encodeDeliveryFrame(from, nth, entries);
      const decoded = SubscribeResponse.decode(frame);
      expect(decoded.frame?.$case).toBe('batch');
      const batch = decoded.frame?.$case === 'batch' ? decoded.frame.value : undefined;
      expect(batch?.sequence).toBe(nth);
      batch?.deliveries.forEach((each, index) => {
        const { appendedAtMs, ...dispatch } = deliveries[index]!;
        expect(each).toMatchObject({
          lane: dispatch.lane,
          offset: dispatch.offset,
          attempt: dispatch.attempt,
          redelivered: dispatch.redelivered,
          partition: from.partition,
          fencingToken: from.fencingToken,
          publishedAt: { seconds: Math.floor(appendedAtMs / 1_000), nanos: (appendedAtMs % 1_000) * 1e6 },
        });
        expect(decodeReceipt(each.receipt)).toMatchObject({
          ...{ partition: from.partition, lane: dispatch.lane, attempt: dispatch.attempt, offset: dispatch.offset },
          ...{ deliveryNumber: dispatch.deliveryNo, consumerEpoch: from.consumerEpoch },
        });
      });
      expect(batch?.deliveries).toHaveLength(deliveries.length);
    }),
  );
});
