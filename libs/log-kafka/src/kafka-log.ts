import {
  type AppendBatch,
  type AppendOutcome,
  type AttachedTopic,
  type DefiniteAppendOutcome,
  type LogFeed,
  type MessageLog,
  type OpeningGate,
  type ReadBounds,
  RecordBlock,
  StoreError,
  type TruncateOutcome,
} from '@hermes/log';
import { type Clock, sleep, type Timers } from '@hermes/runtime';
import type { FetchedPartition } from 'kafkajs/src/cluster/index.js';

import type { FeedFetcher, FollowedLane } from './feed-fetcher.js';
import { type FetchedRecords, readFetched, toBlock } from './fetched-records.js';
import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { isKafkaError, isMissingTopic, isOutOfRange, isTooLarge, readFault } from './kafka-fault.js';
import { LaneFeed } from './lane-feed.js';
import type { KafkaTopics } from './kafka-topics.js';
import type { DefiniteProduceOutcome, Producers } from './producers.js';
import type { FetchedRecord, RecordFormat } from './record-format.js';

export interface KafkaLogOptions {
  readonly topicId: number;
  readonly lane: number;
  readonly place: KafkaPlace;
  readonly format: RecordFormat;
  /** What others append, too, and whether we do. */
  readonly attached: AttachedTopic | undefined;
  /** The first offset that Kafka keeps. */
  readonly firstOffset: number;
  /** One above the last record. */
  readonly nextOffset: number;
  /** The largest batch that the Kafka topic takes. */
  readonly maxMessageBytes: number;
  readonly producers: Producers;
  /** Not shared with who waits for records to come. */
  readonly cluster: KafkaCluster;
  readonly fetcher: FeedFetcher;
  readonly topics: KafkaTopics;
  readonly gate: OpeningGate;
  readonly nowMs: () => number;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What a batch costs beside its records, at most. */
const BATCH_OVERHEAD_BYTES = 128;

/** How long a read waits for a record that is known to be there. */
const READ_WAIT_MS = 200;
const READ_DEADLINE_MS = 5_000;

/** Of what is read through. */
const SCAN_BYTES = 1024 * 1024;

/** Of what is read around one message: its neighbours are often asked for, too. */
const STRETCH_BYTES = 64 * 1024;

/** A topic that a broker does not know may be on its way there: it is gone if it stays unknown. */
const MISSING_AFTER = 5;

/** The log of one lane: one partition of a Kafka topic. Kafka does not refuse what a stale owner appends. */
export class KafkaLog implements MessageLog, FollowedLane {
  readonly topicId: number;
  readonly lane: number;
  readonly place: KafkaPlace;
  readonly findEnd?: () => Promise<void>;
  readonly #options: KafkaLogOptions;
  readonly #feed: LaneFeed;
  #firstOffset: number;
  /** Of what lies below it nobody needed anything. */
  #truncatedTo: number;
  #lastAppendedAtMs = 0;
  #seen = { records: 0, bytes: 0 };
  #maxMessageBytes: number;
  #missing = 0;

  constructor(options: KafkaLogOptions) {
    const { topicId, lane, place, attached, nextOffset, firstOffset, maxMessageBytes, clock, fetcher } = options;
    this.topicId = topicId;
    this.lane = lane;
    this.place = place;
    this.#options = options;
    this.#firstOffset = firstOffset;
    this.#truncatedTo = firstOffset;
    this.#maxMessageBytes = maxMessageBytes;
    const onWanted = (): void => {
      fetcher.wake();
    };
    this.#feed = new LaneFeed(nextOffset, { clock, onWanted, isShared: attached !== undefined });
    if (attached !== undefined) {
      this.findEnd = () => this.#findEnd();
    }
  }

  get partition(): number {
    return this.place.partition;
  }

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get nextOffset(): number {
    return this.#feed.end;
  }

  /** Others append, too. */
  get attached(): boolean {
    return this.#options.attached !== undefined;
  }

  /** From what was seen of the records: Kafka does not say. */
  get sizeBytes(): number {
    const { records, bytes } = this.#seen;
    return records === 0 ? 0 : Math.round((bytes / records) * (this.nextOffset - this.firstOffset));
  }

  get lastAppendedAtMs(): number {
    return this.#lastAppendedAtMs;
  }

  /** What Kafka's own retention has taken: a topic that is attached, or whose settings say so. */
  get lostBelow(): number {
    return this.#firstOffset > this.#truncatedTo ? this.#firstOffset : 0;
  }

  get feed(): LogFeed {
    return this.#feed;
  }

  get wantsRecords(): boolean {
    return this.#feed.wantsRecords;
  }

  nextPosition(): number {
    return this.#feed.nextPosition();
  }

  fits(records: number, bytes: number): boolean {
    const { overheadBytes } = this.#options.format;
    return bytes + records * overheadBytes + BATCH_OVERHEAD_BYTES <= this.#maxMessageBytes;
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    const { gate, producers, format, attached } = this.#options;
    const refusal = gate.refusal ?? (attached?.readOnly === true ? readOnly(attached.topic) : undefined);
    if (refusal !== undefined) {
      return { kind: 'refused', error: refusal };
    }
    const appendedAtMs = Math.max(this.#options.nowMs(), this.#lastAppendedAtMs);
    const timestamp = String(appendedAtMs);
    const messages = Array.from({ length: batch.count }, (_, index) => ({
      ...format.encode(batch, index),
      timestamp,
    }));
    const { place } = this;
    const produce = { ...place, messages, bytes: batch.recordBytes, signal: gate.signal };
    const done = async (outcome: DefiniteProduceOutcome): Promise<DefiniteAppendOutcome> => {
      if (outcome.kind === 'stored') {
        return this.#appended(batch, outcome.firstOffset, appendedAtMs);
      }
      await this.#learnBound(outcome.error);
      return outcome;
    };
    const outcome = await gate.run(() => producers.send(produce));
    return outcome.kind === 'inDoubt' ? { kind: 'inDoubt', resolution: outcome.resolution.then(done) } : done(outcome);
  }

  async read(from: number, bounds: ReadBounds): Promise<RecordBlock> {
    return this.#options.gate.run(async () => {
      this.#feed.wasRead(from);
      if (from >= this.nextOffset) {
        return RecordBlock.empty(from);
      }
      const fetched = await this.#fetch(from, bounds.maxBytes);
      return toBlock(fetched).slice(from, bounds.maxRecords, bounds.maxBytes);
    });
  }

  async offsetAt(timeMs: number): Promise<number> {
    return this.#options.gate.run(async () => {
      await this.findEnd?.();
      const found = await this.#options.cluster.offset(this.place, timeMs);
      // It may be a mark: the first message from there on.
      for (let from = found ?? this.nextOffset; from < this.nextOffset;) {
        const { records, nextOffset } = await this.#fetch(from, 1);
        const [first] = records;
        if (first !== undefined) {
          return first.offset;
        }
        from = nextOffset;
      }
      return this.nextOffset;
    });
  }

  /** Kafka does not refuse a stale owner: it drops what it knows to be settled, no more; nothing of what others write, too. */
  async truncateBefore(offset: number): Promise<TruncateOutcome> {
    const { gate, topics } = this.#options;
    const wanted = Math.min(offset, this.nextOffset - 1);
    try {
      if (wanted > this.#firstOffset && !this.attached) {
        this.#truncatedTo = Math.max(this.#truncatedTo, wanted);
        await gate.run(() => topics.truncate(this.place, wanted));
        this.#firstOffset = Math.max(this.#firstOffset, wanted);
      }
      return { kind: 'truncated', firstOffset: this.#firstOffset };
    } catch (error) {
      return { kind: 'refused', error: readFault(error, `truncate ${placeKey(this.place)}`) };
    }
  }

  /** The lane's messages from `from` on, in order, as Kafka holds them. Rejects with StoreError. */
  async *scan(from: number): AsyncGenerator<FetchedRecord> {
    for (let next = Math.max(from, this.firstOffset); next < this.nextOffset;) {
      const { records, nextOffset } = await this.#options.gate.run(() => this.#fetch(next, SCAN_BYTES));
      yield* records;
      next = nextOffset;
    }
  }

  /** The messages at these offsets, as they are stored; without those that are not kept. Rejects with StoreError. */
  async recordsAt(offsets: readonly number[]): Promise<Map<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>();
    let known = 0;
    for (const offset of [...offsets].sort((one, other) => one - other)) {
      if (offset < Math.max(known, this.firstOffset) || offset >= this.nextOffset) {
        continue;
      }
      const { records, nextOffset } = await this.#options.gate.run(() => this.#fetch(offset, STRETCH_BYTES));
      for (const { offset: at, record } of records) {
        found.set(at, record);
      }
      known = nextOffset;
    }
    return found;
  }

  fetched(from: number, partition: FetchedPartition): void {
    const records = this.#readFetched(from, partition);
    this.#missing = 0;
    this.#learn(records);
    this.#feed.fetched(records);
  }

  async failed(error: unknown): Promise<void> {
    this.#feed.failed();
    if (isOutOfRange(error)) {
      await this.#findStart();
    } else if (isMissingTopic(error)) {
      this.#missing += 1;
      if (this.#missing >= MISSING_AFTER) {
        this.#options.gate.lose(`the Kafka topic ${this.place.topic} is gone`);
      }
    }
  }

  #appended(batch: AppendBatch, firstOffset: number, appendedAtMs: number): DefiniteAppendOutcome {
    for (let index = 0; index < batch.count; index += 1) {
      batch.offsets[index] = firstOffset + index;
    }
    batch.appendedAtMs.fill(appendedAtMs);
    this.#lastAppendedAtMs = appendedAtMs;
    this.#count(batch.count, batch.recordBytes);
    const block = batch.toBlock();
    this.#grew(block);
    return { kind: 'appended', block };
  }

  /** Somebody may have lowered the topic's bound: what is too large for it must not be tried together with other records. */
  async #learnBound({ cause }: StoreError): Promise<void> {
    if (isTooLarge(cause)) {
      const facts = await this.#options.topics.find(this.place.topic).catch(() => undefined);
      this.#maxMessageBytes = facts?.maxMessageBytes ?? this.#maxMessageBytes;
    }
  }

  /** Behind somebody else's open transaction a record that is there cannot be read yet. */
  #grew(block: RecordBlock): void {
    if (this.findEnd === undefined) {
      this.#feed.appended(block);
    } else if (!this.wantsRecords) {
      this.findEnd().catch(() => undefined);
    }
  }

  /** What Kafka has from `from` on: a message at least, or the knowledge that there is none for a stretch. */
  async #fetch(from: number, maxBytes: number): Promise<FetchedRecords> {
    const { timers, clock, gate } = this.#options;
    const deadlineMs = clock.monotonicMs() + READ_DEADLINE_MS;
    for (;;) {
      this.#checkStart(from);
      try {
        const fetched = await this.#fetchOnce(from, maxBytes);
        if (fetched !== undefined) {
          return fetched;
        }
      } catch (error) {
        await this.#recover(error, clock.monotonicMs() >= deadlineMs);
      }
      if (clock.monotonicMs() >= deadlineMs) {
        throw new StoreError('unavailable', `Kafka does not give record ${from} of ${placeKey(this.place)}`);
      }
      await sleep(timers, READ_WAIT_MS / 4, gate.signal);
    }
  }

  /** Readies the next attempt to fetch; rejects with what the last one came to. */
  async #recover(error: unknown, isLast: boolean): Promise<void> {
    const fault = readFault(error, `read ${placeKey(this.place)}`);
    if (isOutOfRange(error)) {
      await this.#findStart();
      return;
    }
    // Whether somebody still waits or not: the next one must not ask the same broker in vain.
    const learned = this.#options.cluster.refresh([this.place]).catch(() => undefined);
    if (isLast) {
      throw fault;
    }
    await learned;
  }

  /** Undefined: Kafka gives nothing yet. */
  async #fetchOnce(from: number, maxBytes: number): Promise<FetchedRecords | undefined> {
    const { cluster, place } = this.#options;
    const request = { ...place, from, maxBytes };
    const bounds = { maxWaitMs: READ_WAIT_MS, maxBytes };
    const partition = (await cluster.fetch(await cluster.findLeader(place), [request], bounds)).get(request);
    if (isKafkaError(partition)) {
      throw partition;
    }
    const fetched = partition === undefined ? undefined : this.#readFetched(from, partition);
    if (fetched === undefined) {
      return undefined;
    }
    this.#learn(fetched);
    if (fetched.nextOffset > from) {
      return fetched;
    }
    // Alone in its request a lane is given its next batch, whatever its size: this one has no records.
    return fetched.endOffset > from ? { ...fetched, nextOffset: from + 1 } : undefined;
  }

  #readFetched(from: number, partition: FetchedPartition): FetchedRecords {
    return readFetched(from, partition, this.#options.format);
  }

  #learn({ firstOffset, records }: FetchedRecords): void {
    this.#firstOffset = Math.max(this.#firstOffset, firstOffset);
    if (this.#options.format.isTimedByOwner) {
      this.#lastAppendedAtMs = Math.max(this.#lastAppendedAtMs, records.at(-1)?.appendedAtMs ?? 0);
    }
    this.#count(
      records.length,
      records.reduce((sum, { record }) => sum + record.length, 0),
    );
  }

  #count(records: number, bytes: number): void {
    this.#seen = { records: this.#seen.records + records, bytes: this.#seen.bytes + bytes };
  }

  #checkStart(from: number): void {
    if (from < this.#firstOffset) {
      throw new StoreError('outOfRange', `offset ${from} is below the lane's first ${this.#firstOffset}`, {
        details: { offset: from, earliest: this.#firstOffset, latest: this.nextOffset },
      });
    }
  }

  async #findEnd(): Promise<void> {
    const { cluster, gate } = this.#options;
    const end = await gate.run(() => cluster.offset(this.place, 'latest'));
    this.#feed.reaches(end ?? 0);
  }

  /** Kafka's retention has passed us, or the log's end is gone. */
  async #findStart(): Promise<void> {
    const { cluster, place, gate } = this.#options;
    const [first = 0, end = 0] = [await cluster.offset(place, 'earliest'), await cluster.offset(place, 'latest')];
    this.#firstOffset = Math.max(this.#firstOffset, first);
    this.#feed.truncated(this.#firstOffset);
    if (end < this.nextOffset) {
      gate.lose(`${placeKey(place)} ends at ${end}, below ${this.nextOffset}, which was there`);
    }
  }
}

function readOnly(topic: string): StoreError {
  return new StoreError('unsupported', `the Kafka topic ${topic} is attached for reading only`);
}
