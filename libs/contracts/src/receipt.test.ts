import fc from 'fast-check';
import { LIMITS } from './limits.js';
import { decodeReceipt, encodeReceipt, partitionOfReceipt, type Receipt, RECEIPT_BYTES } from './receipt.js';

const receipts: fc.Arbitrary<Receipt> = fc.record({
  partition: fc.nat(0xffff),
  lane: fc.nat(0xff),
  attempt: fc.nat(0xff),
  offset: fc.maxSafeNat(),
  deliveryNumber: fc.nat(0xffffffff),
  consumerEpoch: fc.maxSafeNat(),
  tag: fc.uint8Array({ minLength: 16, maxLength: 16 }),
});

describe('receipts', () => {
  it('are read as they were written, also from the middle of a buffer', () => {
    fc.assert(
      fc.property(receipts, (receipt) => {
        const bytes = encodeReceipt(receipt);
        const shifted = Buffer.concat([Buffer.from([1, 2, 3]), bytes]).subarray(3);
        expect(decodeReceipt(bytes)).toEqual({ ...receipt, tag: Buffer.from(receipt.tag) });
        expect(decodeReceipt(new Uint8Array(shifted))).toEqual(receipt);
        expect(partitionOfReceipt(shifted)).toBe(receipt.partition);
      }),
    );
  });

  it('fit the limit of the contract', () => {
    expect(RECEIPT_BYTES).toBeLessThanOrEqual(LIMITS.receiptBytes);
  });

  it.each([0, RECEIPT_BYTES - 1, RECEIPT_BYTES + 1])('of %p bytes are malformed', (length) => {
    expect(decodeReceipt(new Uint8Array(length))).toBeUndefined();
    expect(partitionOfReceipt(new Uint8Array(length))).toBeUndefined();
  });

  it('with an offset beyond 2^53 are malformed', () => {
    expect(decodeReceipt(new Uint8Array(RECEIPT_BYTES).fill(0xff))).toBeUndefined();
  });
});
