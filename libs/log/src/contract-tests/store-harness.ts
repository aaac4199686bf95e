import { AppendBatch } from '../append-batch.js';
import type { MessageLog } from '../message-log.js';
import type { OpenPartitionRequest, PartitionStore, StorageEngine } from '../storage-engine.js';

/** What a store's tests give the contract: one empty place for data, and the means to damage it. */
export interface StoreHarness {
  /** Opens the engine over the harness' data; called again after `close` it is a restart. */
  open(): Promise<StorageEngine>;

  /** Removes the row that says that the partition exists. The engine is closed. */
  loseState(topicId: number, partition: number): Promise<void>;

  /** Removes the table of a lane that is known to exist. The engine is closed. */
  loseLane(topicId: number, partition: number, lane: number): Promise<void>;

  /** Removes a lane's newest records, down to `offset`. The engine is closed. */
  loseRecordsFrom(topicId: number, partition: number, lane: number, offset: number): Promise<void>;

  /** Flips bits of a stored record. The engine is closed. */
  corruptRecord(topicId: number, partition: number, lane: number, offset: number): Promise<void>;

  /** Closes what is open and removes the data. */
  dispose(): Promise<void>;
}

export type MakeHarness = () => Promise<StoreHarness>;

/** What not every store can do, or can be made to suffer: tests of it are left out where it cannot. */
export interface StoreAbilities {
  readonly appendFence: boolean;
  /** `loseRecordsFrom` and `corruptRecord`. */
  readonly damage: boolean;
  /** Log and state are in one store: a log that ends below what is settled is brought up to it. */
  readonly joined: boolean;
}

/** `it` where the store is able to, else nothing. */
export function itIf(able: boolean): (name: string, test: () => Promise<void>) => void {
  return able ? it : () => undefined;
}

/** A partition's usual request; tests change what they are about. */
export const REQUEST: OpenPartitionRequest = {
  topicId: 7,
  partition: 3,
  epoch: 1,
  incarnation: 41,
  lanes: 1,
  created: false,
};

/** One harness with one engine, reopened at will. */
export class StoreFixture {
  readonly harness: StoreHarness;
  engine: StorageEngine;
  #lastAppendId = 0;

  private constructor(harness: StoreHarness, engine: StorageEngine) {
    this.harness = harness;
    this.engine = engine;
  }

  static async make(makeHarness: MakeHarness): Promise<StoreFixture> {
    const harness = await makeHarness();
    return new StoreFixture(harness, await harness.open());
  }

  async opened(change: Partial<OpenPartitionRequest> = {}): Promise<PartitionStore> {
    const outcome = await this.engine.openPartition({ ...REQUEST, ...change });
    if (outcome.kind !== 'opened') {
      throw new Error(`the partition was not opened: ${JSON.stringify(outcome)}`);
    }
    return outcome.store;
  }

  /** Closes the engine, does `meanwhile`, and opens it anew. */
  async restart(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.engine.close();
    await meanwhile();
    this.engine = await this.harness.open();
  }

  batch(texts: readonly string[]): AppendBatch {
    this.#lastAppendId += 1;
    return AppendBatch.pack(
      this.#lastAppendId,
      texts.map((text) => ({ record: Buffer.from(text), keyHash: text.length })),
    );
  }

  /** Appends texts as one batch; their offsets. */
  async append(log: MessageLog, ...texts: string[]): Promise<number[]> {
    const outcome = await log.append(this.batch(texts));
    if (outcome.kind !== 'appended') {
      throw new Error(`not appended: ${outcome.kind}`);
    }
    return [...outcome.block.columns.offsets];
  }

  async dispose(): Promise<void> {
    await this.engine.close();
    await this.harness.dispose();
  }
}

/** Bounds that no test's data reaches. */
export const EVERYTHING = { maxRecords: 10_000, maxBytes: 1024 * 1024 };

/** The first lane. */
export function laneOf(store: PartitionStore, lane = 0): MessageLog {
  const log = store.lanes[lane];
  if (log === undefined) {
    throw new Error(`no lane ${lane}`);
  }
  return log;
}

/** [offset, text] of all that a lane holds. */
export async function contents(log: MessageLog, from: number = log.firstOffset): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for (let next = from; next < log.nextOffset;) {
    const block = await log.read(next, EVERYTHING);
    for (let index = 0; index < block.count; index += 1) {
      found.push([block.offset(index), Buffer.from(block.record(index)).toString()]);
    }
    next = block.nextOffset;
  }
  return found;
}
