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
import type { Clock, Timers } from '@hermes/runtime';
import type { FetchedPartition } from 'kafkajs/src/cluster/index.js';

import type { FeedFetcher, FollowedLane } from './feed-fetcher.js';
import { readFetched, toBlock } from './fetched-records.js';
import { type KafkaCluster, type KafkaPlace, placeKey } from './kafka-cluster.js';
import { isMissingTopic, isOutOfRange, readFault } from './kafka-fault.js';
import type { KafkaTopics } from './kafka-topics.js';
import { LaneExtent } from './lane-extent.js';
import { LaneFeed } from './lane-feed.js';
import { LaneReader } from './lane-reader.js';
import { LaneWriter } from './lane-writer.js';
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

/** A topic that a broker does not know may be on its way there: it is gone if it stays unknown. */
const MISSING_AFTER = 5;

/** The log of one lane: one partition of a Kafka topic. Kafka does not refuse what a stale owner appends. */
export class KafkaLog implements MessageLog, FollowedLane {
  readonly topicId: number;
  readonly lane: number;
  readonly place: KafkaPlace;
  readonly findEnd?: () => Promise<void>;
  readonly #options: KafkaLogOptions;
  readonly #extent: LaneExtent;
  readonly #feed: LaneFeed;
  readonly #writer: LaneWriter;
  readonly #reader: LaneReader;
  #missing = 0;

  constructor(options: KafkaLogOptions) {
    const { topicId, lane, place, attached, firstOffset, format, clock, fetcher } = options;
    this.topicId = topicId;
    this.lane = lane;
    this.place = place;
    this.#options = options;
    const onWanted = (): void => {
      fetcher.wake();
    };
    const isShared = attached !== undefined;
    this.#extent = new LaneExtent({
      firstOffset,
      isAttached: isShared,
      isTimedByOwner: format.isTimedByOwner,
    });
    this.#feed = new LaneFeed(options.nextOffset, { clock, onWanted, isShared });
    this.#writer = new LaneWriter(options);
    this.#reader = new LaneReader({
      ...options,
      extent: this.#extent,
      end: () => this.nextOffset,
      findStart: () => this.#findStart(),
    });
    if (attached !== undefined) {
      this.findEnd = () => this.#findEnd();
    }
  }

  get partition(): number {
    return this.place.partition;
  }

  get firstOffset(): number {
    return this.#extent.firstOffset;
  }

  get nextOffset(): number {
    return this.#feed.end;
  }

  /** Others append, too. */
  get attached(): boolean {
    return this.#options.attached !== undefined;
  }

  get sizeBytes(): number {
    return this.#extent.bytesOf(this.nextOffset - this.firstOffset);
  }

  get lastAppendedAtMs(): number {
    return this.#extent.lastAppendedAtMs;
  }

  get lostBelow(): number {
    return this.#extent.lostBelow;
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
    return this.#writer.fits(records, bytes);
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    const { gate, attached, nowMs } = this.#options;
    const refusal = gate.refusal ?? (attached?.readOnly === true ? readOnly(attached.topic) : undefined);
    if (refusal !== undefined) {
      return { kind: 'refused', error: refusal };
    }
    const appendedAtMs = Math.max(nowMs(), this.lastAppendedAtMs);
    const done = (outcome: DefiniteProduceOutcome): DefiniteAppendOutcome =>
      outcome.kind === 'stored' ? this.#appended(batch, outcome.firstOffset, appendedAtMs) : outcome;
    const outcome = await gate.run(() => this.#writer.append(batch, { appendedAtMs, signal: gate.signal }));
    return outcome.kind === 'inDoubt' ? { kind: 'inDoubt', resolution: outcome.resolution.then(done) } : done(outcome);
  }

  async read(from: number, bounds: ReadBounds): Promise<RecordBlock> {
    return this.#options.gate.run(async () => {
      this.#feed.wasRead(from);
      if (from >= this.nextOffset) {
        return RecordBlock.empty(from);
      }
      const fetched = await this.#reader.fetch(from, bounds.maxBytes);
      return toBlock(fetched).slice(from, bounds.maxRecords, bounds.maxBytes);
    });
  }

  async offsetAt(timeMs: number): Promise<number> {
    return this.#options.gate.run(async () => {
      await this.findEnd?.();
      const found = await this.#options.cluster.offset(this.place, timeMs);
      return this.#reader.firstFrom(found ?? this.nextOffset);
    });
  }

  /** Kafka does not refuse a stale owner: it drops what it knows to be settled, no more; nothing of what others write, too. */
  async truncateBefore(offset: number): Promise<TruncateOutcome> {
    const { gate, topics } = this.#options;
    const wanted = Math.min(offset, this.nextOffset - 1);
    try {
      if (wanted > this.firstOffset && !this.attached) {
        this.#extent.truncates(wanted);
        await gate.run(() => topics.truncate(this.place, wanted));
        this.#extent.beginsAt(wanted);
      }
      return { kind: 'truncated', firstOffset: this.firstOffset };
    } catch (error) {
      return { kind: 'refused', error: readFault(error, `truncate ${placeKey(this.place)}`) };
    }
  }

  /** The lane's messages from `from` on, in order, as Kafka holds them. Rejects with StoreError. */
  scan(from: number): AsyncGenerator<FetchedRecord> {
    return this.#reader.scan(from);
  }

  /** The messages at these offsets, as they are stored; without those that are not kept. Rejects with StoreError. */
  recordsAt(offsets: readonly number[]): Promise<Map<number, Uint8Array>> {
    return this.#reader.recordsAt(offsets);
  }

  fetched(from: number, partition: FetchedPartition): void {
    const records = readFetched(from, partition, this.#options.format);
    this.#missing = 0;
    this.#extent.fetched(records);
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
    this.#extent.appended(batch.count, batch.recordBytes, appendedAtMs);
    const block = batch.toBlock();
    this.#grew(block);
    return { kind: 'appended', block };
  }

  /** Behind somebody else's open transaction a record that is there cannot be read yet. */
  #grew(block: RecordBlock): void {
    if (this.findEnd === undefined) {
      this.#feed.appended(block);
    } else if (!this.wantsRecords) {
      this.findEnd().catch(() => undefined);
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
    this.#extent.beginsAt(first);
    this.#feed.truncated(this.firstOffset);
    if (end < this.nextOffset) {
      gate.lose(`${placeKey(place)} ends at ${end}, below ${this.nextOffset}, which was there`);
    }
  }
}

function readOnly(topic: string): StoreError {
  return new StoreError('unsupported', `the Kafka topic ${topic} is attached for reading only`);
}
