import { AppendBatch, type ReadBounds, type RecordBlock, StoreError } from '@hermes/log';
import { keyHashOfRecord } from './key-hash.js';
import { type Lane } from './lane.js';
import { type Partition } from './partition.js';
import { type PartitionServices } from './partition-services.js';
import { type FoundRecord, RecordFinder } from './record-finder.js';

/** Records that one read gives per lane: bounds the work of a turn. */
export const READ_RECORDS_MAX = 1_024;
export const READ_BYTES_MAX = 1024 * 1024;

const ONE = { maxRecords: 1, maxBytes: READ_BYTES_MAX };
const STRETCH = { maxRecords: READ_RECORDS_MAX, maxBytes: READ_BYTES_MAX };

/** What a reader tells its group. */
export interface ReaderEvents {
  /** A read has ended, and what waited for it was done. */
  loaded(): void;
  failed(error: StoreError): void;
}

/**
 * The records that one group reads: from memory at once, else from storage, one read at a time. What was read last is
 * found again by offset, for what is fed now is mostly delivered soon.
 */
export class GroupReader {
  readonly #partition: Partition;
  readonly #groupId: number;
  readonly #services: PartitionServices;
  readonly #events: ReaderEvents;
  readonly #finders: readonly RecordFinder[];
  #loading = false;

  constructor(partition: Partition, groupId: number, services: PartitionServices, events: ReaderEvents) {
    this.#partition = partition;
    this.#groupId = groupId;
    this.#services = services;
    this.#events = events;
    this.#finders = partition.lanes.map(() => new RecordFinder());
  }

  /** While it is, nothing else may be fed or dispatched: that keeps every stream's order. */
  get isLoading(): boolean {
    return this.#loading;
  }

  /** A lane's records from `from` on if memory has them. */
  cached(lane: number, from: number, bounds: ReadBounds): RecordBlock | undefined {
    const where = this.#partition.lanes[lane];
    return where && this.#remember(lane, this.#partition.cached(where, from, bounds));
  }

  /** The same from memory or from storage; undefined if there is no such lane. Rejects with StoreError. */
  async read(lane: number, from: number, bounds: ReadBounds): Promise<RecordBlock | undefined> {
    const where = this.#partition.lanes[lane];
    return where && this.#remember(lane, await this.#partition.read(where, from, bounds));
  }

  /** One record if memory has it. */
  find(lane: number, offset: number): FoundRecord | undefined {
    const finder = this.#finders[lane];
    const found = finder?.find(offset);
    if (found !== undefined) {
      return found;
    }
    this.cached(lane, offset, STRETCH);
    return finder?.find(offset);
  }

  /** One record, from the log or from the retry that keeps it; undefined if it is not there. Rejects with StoreError. */
  async readOne(lane: number, offset: number): Promise<FoundRecord | undefined> {
    const where = this.#partition.lanes[lane];
    return where && ((await this.#readLogged(where, offset)) ?? (await this.#readCopy(lane, offset)));
  }

  /** Reads, then uses what was read, unless the partition is not served any more by then. */
  load<T>(read: () => Promise<T>, use: (result: T) => void): void {
    this.#loading = true;
    this.#services.tasks.run('read for a group', async () => {
      try {
        const result = await read();
        this.#loading = false;
        if (this.#partition.isServing) {
          use(result);
          this.#events.loaded();
        }
      } catch (error) {
        this.#loading = false;
        if (!(error instanceof StoreError)) {
          throw error;
        }
        this.#events.failed(error);
      }
    });
  }

  /** Forgets what was read: it may be large, and the group is idle. */
  clear(): void {
    for (const finder of this.#finders) {
      finder.clear();
    }
  }

  async #readLogged(where: Lane, offset: number): Promise<FoundRecord | undefined> {
    if (offset < where.log.firstOffset) {
      return undefined;
    }
    try {
      return foundIn(await this.#partition.read(where, offset, ONE), offset);
    } catch (error) {
      // A store that drops records by itself may just have dropped it.
      if (error instanceof StoreError && error.kind === 'outOfRange') {
        return undefined;
      }
      throw error;
    }
  }

  /** When it was published is not known any more. */
  async #readCopy(lane: number, offset: number): Promise<FoundRecord | undefined> {
    const record = await this.#partition.groupState.retryRecord(this.#groupId, lane, offset);
    if (record === undefined) {
      return undefined;
    }
    const copy = AppendBatch.pack(0, [{ record, keyHash: keyHashOfRecord(record) }]);
    copy.offsets[0] = offset;
    return { block: copy.toBlock(), index: 0 };
  }

  #remember<Block extends RecordBlock | undefined>(lane: number, block: Block): Block {
    if (block !== undefined) {
      this.#finders[lane]?.add(block);
    }
    return block;
  }
}

function foundIn(block: RecordBlock, offset: number): FoundRecord | undefined {
  const index = block.indexFrom(offset);
  return index < block.count && block.offset(index) === offset ? { block, index } : undefined;
}
