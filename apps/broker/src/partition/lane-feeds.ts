import { type LaneFeed } from '@hermes/delivery';
import { type Filter } from '@hermes/filter';
import { type RecordBlock } from '@hermes/log';
import { subjectOf } from '../filter/filter-subject.js';

const NO_HASHES = new Float64Array(0);

/** A block as a dispatcher takes it: its columns as they are. */
export function feedOf({ from, nextOffset, columns }: RecordBlock): LaneFeed {
  const { offsets, ends, keyHashes, start } = columns;
  const fromStart = start === 0 ? ends : ends.map((end) => end - start);
  return { from, nextOffset, offsets, keyHashes: keyHashes ?? NO_HASHES, ends: fromStart };
}

/** The same without what the filter does not want: offsets that are missing count as settled. */
export function filteredFeedOf(block: RecordBlock, filter: Filter): LaneFeed {
  const [offsets, keyHashes, ends]: [number[], number[], number[]] = [[], [], []];
  let end = 0;
  for (let index = 0; index < block.count; index += 1) {
    if (filter(subjectOf(block.record(index)))) {
      end += block.bytes(index);
      offsets.push(block.offset(index));
      keyHashes.push(block.columns.keyHashes?.[index] ?? 0);
      ends.push(end);
    }
  }
  return { from: block.from, nextOffset: block.nextOffset, offsets, keyHashes, ends };
}
