import { type OpeningGate, StoreError } from '@hermes/log';
import { type Clock, sleep, type Timers } from '@hermes/runtime';

import { type FetchedRecords, readFetched } from './fetched-records.js';
import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { isKafkaError, isOutOfRange, readFault } from './kafka-fault.js';
import type { LaneExtent } from './lane-extent.js';
import type { FetchedRecord, RecordFormat } from './record-format.js';

export interface LaneReaderOptions {
  readonly place: KafkaPlace;
  readonly format: RecordFormat;
  readonly extent: LaneExtent;
  /** One above the last record that is known to be there. */
  readonly end: () => number;
  /** Kafka does not have what was asked for: learns what it has. Rejects with StoreError. */
  readonly findStart: () => Promise<void>;
  /** Not shared with who waits for records to come. */
  readonly cluster: KafkaCluster;
  readonly gate: OpeningGate;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** How long a read waits for a record that is known to be there. */
const READ_WAIT_MS = 200;
const READ_DEADLINE_MS = 5_000;

/** Of what is read through. */
const SCAN_BYTES = 1024 * 1024;

/** Of what is read around one message: its neighbours are often asked for, too. */
const STRETCH_BYTES = 64 * 1024;

/** Reads what Kafka has of one lane, from whoever leads it. All methods reject with StoreError. */
export class LaneReader {
  readonly #options: LaneReaderOptions;

  constructor(options: LaneReaderOptions) {
    this.#options = options;
  }

  /** What Kafka has from `from` on: a message at least, or the knowledge that there is none for a stretch. */
  async fetch(from: number, maxBytes: number): Promise<FetchedRecords> {
    const { extent, end, place, timers, clock, gate } = this.#options;
    const deadlineMs = clock.monotonicMs() + READ_DEADLINE_MS;
    for (;;) {
      extent.check(from, end());
      try {
        const fetched = await this.#fetchOnce(from, maxBytes);
        if (fetched !== undefined) {
          return fetched;
        }
      } catch (error) {
        await this.#recover(error, clock.monotonicMs() >= deadlineMs);
      }
      if (clock.monotonicMs() >= deadlineMs) {
        throw new StoreError('unavailable', `Kafka does not give record ${from} of ${placeKey(place)}`);
      }
      await sleep(timers, READ_WAIT_MS / 4, gate.signal);
    }
  }

  /** The offset of the first message from `from` on: what is there may be a mark. The lane's end if there is none. */
  async firstFrom(from: number): Promise<number> {
    const { extent, end } = this.#options;
    for (let next = from; next < end();) {
      const fetched = await this.#fetchKept(next, 1);
      const [first] = fetched?.records ?? [];
      if (first !== undefined) {
        return first.offset;
      }
      next = fetched?.nextOffset ?? extent.firstOffset;
    }
    return end();
  }

  /** The lane's messages from `from` on, in order, as Kafka holds them. */
  async *scan(from: number): AsyncGenerator<FetchedRecord> {
    const { extent, end, gate } = this.#options;
    for (let next = Math.max(from, extent.firstOffset); next < end();) {
      const fetched = await gate.run(() => this.#fetchKept(next, SCAN_BYTES));
      yield* fetched?.records ?? [];
      next = fetched?.nextOffset ?? extent.firstOffset;
    }
  }

  /** The messages at these offsets, as they are stored; without those that are not kept. */
  async recordsAt(offsets: readonly number[]): Promise<Map<number, Uint8Array>> {
    const { extent, end, gate } = this.#options;
    const found = new Map<number, Uint8Array>();
    let known = 0;
    for (const offset of [...offsets].sort((one, other) => one - other)) {
      if (offset < Math.max(known, extent.firstOffset) || offset >= end()) {
        continue;
      }
      const fetched = await gate.run(() => this.#fetchKept(offset, STRETCH_BYTES));
      for (const { offset: at, record } of fetched?.records ?? []) {
        found.set(at, record);
      }
      known = fetched?.nextOffset ?? known;
    }
    return found;
  }

  /** As `fetch`; undefined if Kafka does not keep `from` any more, and the lane begins above it. */
  async #fetchKept(from: number, maxBytes: number): Promise<FetchedRecords | undefined> {
    try {
      return await this.fetch(from, maxBytes);
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'outOfRange') {
        return undefined;
      }
      throw error;
    }
  }

  /** Readies the next attempt to fetch; rejects with what the last one came to. */
  async #recover(error: unknown, isLast: boolean): Promise<void> {
    const { place, cluster, findStart } = this.#options;
    const fault = readFault(error, `read ${placeKey(place)}`);
    if (isOutOfRange(error)) {
      await findStart();
      return;
    }
    // Whether somebody still waits or not: the next one must not ask the same broker in vain.
    const learned = cluster.refresh([place]).catch(() => undefined);
    if (isLast) {
      throw fault;
    }
    await learned;
  }

  /** Undefined: Kafka gives nothing yet. */
  async #fetchOnce(from: number, maxBytes: number): Promise<FetchedRecords | undefined> {
    const { extent, cluster, place, format } = this.#options;
    const request = { ...place, from, maxBytes };
    const bounds = { maxWaitMs: READ_WAIT_MS, maxBytes };
    const partition = (await cluster.fetch(await cluster.findLeader(place), [request], bounds)).get(request);
    if (isKafkaError(partition)) {
      throw partition;
    }
    const fetched = partition === undefined ? undefined : readFetched(from, partition, format);
    if (fetched === undefined) {
      return undefined;
    }
    extent.fetched(fetched);
    if (fetched.nextOffset > from) {
      return fetched;
    }
    // Alone in its request a lane is given its next batch, whatever its size: this one has no records.
    return fetched.endOffset > from ? { ...fetched, nextOffset: from + 1 } : undefined;
  }
}
