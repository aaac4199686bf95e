import { type LaneFeed } from '@hermes/delivery';
import { type Filter } from '@hermes/filter';
import { type RecordBlock } from '@hermes/log';
import { subjectOf } from '../filter/filter-subject.js';

const NO_HASHES = new Float64Array(0);

/**
 * A block as a dispatcher takes it, without what the filter does not want and what has expired by `timeMs` (undefined:
 * nothing has): offsets that are missing count as settled.
 */
export function feedOf(
  block: RecordBlock,
  filter: Filter | undefined,
  timeMs: number | undefined,
): { readonly feed: LaneFeed; readonly expired: number } {
  const mayExpire = timeMs !== undefined && block.columns.expiresAtMs.some((expiresAtMs) => expiresAtMs !== 0);
  if (filter === undefined && !mayExpire) {
    return { feed: wholeFeedOf(block), expired: 0 };
  }
  const [offsets, keyHashes, ends]: [number[], number[], number[]] = [[], [], []];
  let [end, expired] = [0, 0];
  for (let index = 0; index < block.count; index += 1) {
    if (mayExpire && block.isExpired(index, timeMs)) {
      expired += 1;
    } else if (filter?.(subjectOf(block.record(index))) !== false) {
      end += block.bytes(index);
      offsets.push(block.offset(index));
      keyHashes.push(block.columns.keyHashes?.[index] ?? 0);
      ends.push(end);
    }
  }
  return { feed: { from: block.from, nextOffset: block.nextOffset, offsets, keyHashes, ends }, expired };
}

/** The block's columns as they are. */
function wholeFeedOf({ from, nextOffset, columns }: RecordBlock): LaneFeed {
  const { offsets, ends, keyHashes, start } = columns;
  const fromStart = start === 0 ? ends : ends.map((end) => end - start);
  return { from, nextOffset, offsets, keyHashes: keyHashes ?? NO_HASHES, ends: fromStart };
}
