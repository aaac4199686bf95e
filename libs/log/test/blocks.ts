import { AppendBatch, type RecordBlock } from '../src/index.js';

/** A block of `count` records of `bytes` each, from `from` on; its texts are the offsets. */
export function blockAt(from: number, count: number, bytes = 10): RecordBlock {
  const records = Array.from({ length: count }, (_, index) => ({
    record: Buffer.from(String(from + index).padStart(bytes, '0')),
    keyHash: from + index,
  }));
  const batch = AppendBatch.pack(1, records);
  records.forEach((_, index) => {
    batch.offsets[index] = from + index;
    batch.appendedAtMs[index] = 1_000 + from + index;
  });
  return batch.toBlock();
}

export function offsetsOf(block: RecordBlock | undefined): number[] | undefined {
  return block === undefined ? undefined : [...block.columns.offsets];
}

/** Whether each record and column entry is what `blockAt` made for its offset. */
export function isFaithful(block: RecordBlock): boolean {
  return [...block.columns.offsets].every(
    (offset, index) =>
      Number(Buffer.from(block.record(index)).toString()) === offset &&
      block.keyHash(index) === offset &&
      block.appendedAtMs(index) === 1_000 + offset,
  );
}
