import type { OffsetRange } from '@hermes/delivery';

/** Seven bits a byte, low ones first, the highest bit saying that more follow. */
const DIGIT = 0x80;

/** Ranges above a floor as pairs of distances: gap before, length. A few bytes each, however high the offsets are. */
export function encodeRanges(floor: number, ranges: readonly OffsetRange[]): Uint8Array {
  const bytes: number[] = [];
  let end = floor;
  for (const range of ranges) {
    pushNumber(bytes, range.from - end);
    pushNumber(bytes, range.to - range.from);
    end = range.to;
  }
  return Uint8Array.from(bytes);
}

export function decodeRanges(floor: number, bytes: Uint8Array): OffsetRange[] {
  const ranges: OffsetRange[] = [];
  let end = floor;
  let from: number | undefined;
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte % DIGIT) * scale;
    scale *= DIGIT;
    if (byte >= DIGIT) {
      continue;
    }
    end += value;
    if (from !== undefined) {
      ranges.push({ from, to: end });
    }
    from = from === undefined ? end : undefined;
    value = 0;
    scale = 1;
  }
  return ranges;
}

function pushNumber(bytes: number[], number: number): void {
  let rest = number;
  while (rest >= DIGIT) {
    bytes.push((rest % DIGIT) + DIGIT);
    rest = Math.floor(rest / DIGIT);
  }
  bytes.push(rest);
}
