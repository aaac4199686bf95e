import { invariant } from '@hermes/runtime';

import { AppendBatch } from './append-batch.js';
import { RecordBlock } from './record-block.js';

/** One block with the records of two neighbours, in a buffer of its own. */
export function mergeBlocks(first: RecordBlock, second: RecordBlock): RecordBlock {
  invariant(first.nextOffset === second.from, 'only neighbours are merged');
  const count = first.count + second.count;
  const merged = AppendBatch.allocate(0, count, first.recordBytes + second.recordBytes);
  let index = 0;
  let end = 0;
  for (const block of [first, second]) {
    for (let i = 0; i < block.count; i += 1) {
      merged.offsets[index] = block.offset(i);
      merged.appendedAtMs[index] = block.appendedAtMs(i);
      merged.expiresAtMs[index] = block.columns.expiresAtMs[i] ?? 0;
      merged.keyHashes[index] = block.keyHash(i);
      merged.bytes.set(block.record(i), end);
      end += block.bytes(i);
      merged.ends[index] = end;
      index += 1;
    }
  }
  return new RecordBlock(first.from, second.nextOffset, merged.columns());
}
