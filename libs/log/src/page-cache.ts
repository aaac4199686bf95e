import type { MessageLog, ReadBounds } from './message-log.js';
import { RecordBlock } from './record-block.js';
import { StoreError } from './store-error.js';

/** Records of one page. */
export const PAGE_RECORDS_MAX = 1_024;

/** Bytes of one page (or one record): what a store reads between two commits. */
export const PAGE_BYTES_MAX = 1024 * 1024;

/** Totals since the start, for metrics. */
export interface PageCacheCounters {
  hits: number;
  /** Reads that waited for another reader's load. */
  joined: number;
  loads: number;
  evictedPages: number;
}

export interface PageCacheOptions {
  readonly bytesMax: number;
  /** Hash of a record's key, computed once per page for all groups. */
  readonly keyHash: (record: Uint8Array) => number;
}

interface Page {
  readonly log: MessageLog;
  readonly block: RecordBlock;
}

interface Lane {
  /** By the offset they start at; oldest use first. */
  readonly pages: Map<number, Page>;
  readonly loads: Map<number, Promise<RecordBlock>>;
}

/**
 * Pages of the lanes' older records for lagging groups, within one bound in bytes, least recently used first out.
 * Groups that read the same stretch share its pages, and readers of a page that is being loaded share the load.
 */
export class PageCache {
  readonly counters: PageCacheCounters = { hits: 0, joined: 0, loads: 0, evictedPages: 0 };
  readonly #options: PageCacheOptions;
  readonly #lanes = new Map<MessageLog, Lane>();
  /** All pages, least recently used first. */
  readonly #recent = new Set<Page>();
  #bytes = 0;

  constructor(options: PageCacheOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Reads from `from` on as `MessageLog.read` does, up to the end of a page: call again at `nextOffset`. The block
   * has key hashes. Fails as `MessageLog.read` does, for all readers of the page alike.
   */
  async read(log: MessageLog, from: number, bounds: ReadBounds): Promise<RecordBlock> {
    if (from < log.firstOffset) {
      throw outOfRange(log, from);
    }
    if (from >= log.nextOffset) {
      return RecordBlock.empty(from);
    }
    let block = this.#cached(log, from);
    const load = block === undefined ? this.#loading(log, from) : undefined;
    if (load !== undefined) {
      this.counters.joined += 1;
      const joined = await load;
      // It may have ended below: this reader then needs the page behind it.
      block = covers(joined, from) ? joined : undefined;
    }
    block ??= await this.#load(log, from);
    return block.slice(from, bounds.maxRecords, bounds.maxBytes);
  }

  /** Drops the pages of a lane that is closed. */
  forget(log: MessageLog): void {
    for (const page of this.#lanes.get(log)?.pages.values() ?? []) {
      this.#drop(page);
    }
    this.#lanes.delete(log);
  }

  #cached(log: MessageLog, from: number): RecordBlock | undefined {
    for (const page of this.#lanes.get(log)?.pages.values() ?? []) {
      if (covers(page.block, from)) {
        this.counters.hits += 1;
        this.#recent.delete(page);
        this.#recent.add(page);
        return page.block;
      }
    }
    return undefined;
  }

  /** A load under way that starts at or shortly before `from`. */
  #loading(log: MessageLog, from: number): Promise<RecordBlock> | undefined {
    for (const [start, load] of this.#lanes.get(log)?.loads ?? []) {
      if (start <= from && from < start + PAGE_RECORDS_MAX) {
        return load;
      }
    }
    return undefined;
  }

  async #load(log: MessageLog, from: number): Promise<RecordBlock> {
    let lane = this.#lanes.get(log);
    if (lane === undefined) {
      lane = { pages: new Map(), loads: new Map() };
      this.#lanes.set(log, lane);
    }
    this.counters.loads += 1;
    const load = this.#readPage(log, from);
    lane.loads.set(from, load);
    try {
      const block = await load;
      if (this.#lanes.get(log) === lane && block.nextOffset > from) {
        this.#keep(lane, { log, block });
      }
      return block;
    } finally {
      lane.loads.delete(from);
    }
  }

  async #readPage(log: MessageLog, from: number): Promise<RecordBlock> {
    const block = await log.read(from, { maxRecords: PAGE_RECORDS_MAX, maxBytes: PAGE_BYTES_MAX });
    return block.withKeyHashes(this.#options.keyHash);
  }

  #keep(lane: Lane, page: Page): void {
    const older = lane.pages.get(page.block.from);
    if (older !== undefined) {
      this.#drop(older);
    }
    lane.pages.set(page.block.from, page);
    this.#recent.add(page);
    this.#bytes += page.block.memoryBytes;
    for (const oldest of this.#recent) {
      if (this.#bytes <= this.#options.bytesMax) {
        break;
      }
      this.#drop(oldest);
      this.counters.evictedPages += 1;
    }
  }

  #drop(page: Page): void {
    this.#recent.delete(page);
    this.#lanes.get(page.log)?.pages.delete(page.block.from);
    this.#bytes -= page.block.memoryBytes;
  }
}

function covers(block: RecordBlock, offset: number): boolean {
  return block.from <= offset && offset < block.nextOffset;
}

function outOfRange(log: MessageLog, offset: number): StoreError {
  return new StoreError('outOfRange', `offset ${offset} is below the lane's first ${log.firstOffset}`, {
    details: { offset, earliest: log.firstOffset, latest: log.nextOffset },
  });
}
