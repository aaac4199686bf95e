import { type LaneCursor, type OffsetRange } from '../src/index.js';

/** What is settled in one lane, offset by offset. */
export class ModelCursor {
  readonly #settled = new Set<number>();

  add(offset: number): void {
    this.#settled.add(offset);
  }

  /** The same as a floor and ranges above it, below `end`. */
  read(end: number): LaneCursor {
    let floor = 0;
    while (this.#settled.has(floor)) {
      floor += 1;
    }
    const settled: OffsetRange[] = [];
    for (let offset = floor; offset < end; offset += 1) {
      const last = settled.at(-1);
      if (this.#settled.has(offset)) {
        if (last?.to === offset) {
          settled[settled.length - 1] = { from: last.from, to: offset + 1 };
        } else {
          settled.push({ from: offset, to: offset + 1 });
        }
      }
    }
    return { lane: 0, floor, settled };
  }
}
