import { type RecordBlock } from '@hermes/log';

/** Blocks that are remembered per lane: what is dispatched now was mostly fed just before. */
const BLOCKS_MAX = 4;

/** A record's place in a block. */
export interface FoundRecord {
  readonly block: RecordBlock;
  readonly index: number;
}

/** Finds records of one lane in the blocks that were read last. Neighbours are found without a search. */
export class RecordFinder {
  #blocks: RecordBlock[] = [];
  #last: RecordBlock | undefined;
  #next = 0;

  add(block: RecordBlock): void {
    if (block.count > 0) {
      this.#blocks = [block, ...this.#blocks.slice(0, BLOCKS_MAX - 1)];
    }
  }

  find(offset: number): FoundRecord | undefined {
    const last = this.#last;
    if (last !== undefined && this.#next < last.count && last.offset(this.#next) === offset) {
      this.#next += 1;
      return { block: last, index: this.#next - 1 };
    }
    for (const block of this.#blocks) {
      if (block.from <= offset && offset < block.nextOffset) {
        const index = block.indexFrom(offset);
        if (index < block.count && block.offset(index) === offset) {
          this.#last = block;
          this.#next = index + 1;
          return { block, index };
        }
      }
    }
    return undefined;
  }

  /** Forgets all blocks: they may be large, and the group is idle. */
  clear(): void {
    this.#blocks = [];
    this.#last = undefined;
  }
}
