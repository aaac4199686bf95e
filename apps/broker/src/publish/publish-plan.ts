import {
  HermesError,
  identityOf,
  invalidField,
  messageError,
  type RawPublishRequest,
  type ScannedMessage,
  scanMessage,
} from '@hermes/contracts';
import { type AppendChain, type NewRecord, type PublishIdentity } from '@hermes/log';
import { type Lane } from '../partition/lane.js';
import { keyHashOf } from '../partition/key-hash.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Partition } from '../partition/partition.js';
import { type NewSchedule } from '../schedule/partition-schedule.js';
import { isDurableEnough } from '../storage/durability.js';
import { identityOfKey, PublishClaims } from './publish-claims.js';
import { PublishResults } from './publish-results.js';

/** Messages of one request that go to one lane at once, in order. */
export interface LaneShare {
  readonly partition: Partition;
  readonly lane: Lane;
  readonly records: NewRecord[];
  /** Where each stands in the request. */
  readonly indices: number[];
  /** Shared by those of one lane, which are appended in their order or not at all. */
  readonly chain: AppendChain;
  /** Of the records and their ref keys. */
  bytes: number;
}

/** Messages of one request that wait for their time in one partition. */
export interface ScheduleShare {
  readonly partition: Partition;
  readonly entries: NewSchedule[];
  readonly indices: number[];
}

/** What is to be done for one request: shares to append and to schedule, and entries already refused. */
export interface PublishPlan {
  readonly shares: readonly LaneShare[];
  readonly scheduled: readonly ScheduleShare[];
  readonly results: PublishResults;
  /** On identities; undefined: no message has one. */
  readonly claims: PublishClaims | undefined;
  /** Entries whose partition (undefined: any one) is not served here; why, has still to be found out. */
  readonly misrouted: readonly { readonly index: number; readonly partition: number | undefined }[];
}

/**
 * Checks every message and sorts the good ones by lane. Synchronous: nothing is stored yet. Its claims have to be closed in
 * the end, whatever comes of it; if partitions' windows have to be loaded first (`claims.unloaded`) it is void.
 */
export function planPublish(request: RawPublishRequest, topic: OwnedTopic): PublishPlan {
  const { settings } = topic;
  if (request.partition !== undefined && request.partition < 0) {
    throw invalidField('partition', `0 to ${settings.partitions - 1}`);
  }
  if (settings.paused) {
    throw new HermesError('TOPIC_PAUSED', `topic ${settings.name} is paused`);
  }
  if (settings.attached?.readOnly === true) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', `topic ${settings.name} is attached to Kafka for reading only`, {
      details: { feature: 'publish' },
    });
  }
  const planner = new Planner(request, topic);
  request.messages.forEach((bytes, index) => {
    planner.add(bytes, index);
  });
  return planner;
}

class Planner implements PublishPlan {
  readonly shares: LaneShare[] = [];
  readonly scheduled: ScheduleShare[] = [];
  /** The share of each lane that takes more. */
  readonly #filling = new Map<Lane, LaneShare>();
  readonly misrouted: { readonly index: number; readonly partition: number | undefined }[] = [];
  readonly results: PublishResults;
  claims: PublishClaims | undefined = undefined;
  readonly #topic: OwnedTopic;
  readonly #request: RawPublishRequest;
  readonly #limits: { readonly maxBodyBytes: number; readonly priorityLevels: number };
  #last: LaneShare | undefined;

  constructor(request: RawPublishRequest, topic: OwnedTopic) {
    this.#topic = topic;
    this.#request = request;
    this.results = new PublishResults(request.messages.length);
    this.#limits = { maxBodyBytes: topic.settings.bodyBytesMax, priorityLevels: topic.settings.lanes };
  }

  add(bytes: Uint8Array, index: number): void {
    const scan = scanMessage(bytes, this.#limits);
    if (scan.kind !== 'ok') {
      this.results.failed(index, messageError(scan, index));
      return;
    }
    const topic = this.#topic;
    const partition = this.#request.partition ?? scan.partition(topic.settings.partitions) ?? topic.nextPartition();
    const owned = partition === undefined ? undefined : topic.served(partition);
    const lane = owned?.lanes[scan.priority];
    if (owned === undefined || lane === undefined) {
      this.misrouted.push({ index, partition });
      return;
    }
    const refusal = this.#refusal(lane, sizeOf(scan));
    if (refusal !== undefined) {
      this.results.failed(index, refusal);
      return;
    }
    this.#take({ partition: owned, lane }, scan, index);
  }

  #take({ partition, lane }: { partition: Partition; lane: Lane }, scan: ScannedMessage, index: number): void {
    const { dueAtMs, expiresAtMs } = timesOf(scan, partition);
    if (dueAtMs !== undefined && expiresAtMs !== undefined && expiresAtMs <= dueAtMs) {
      this.results.failed(index, invalidField(`messages[${index}].ttl`, 'above the time until deliver_at'));
      return;
    }
    const identity = this.#identityOf(scan, index);
    if (identity !== undefined && !this.#isNew(partition, identity, { bytes: scan.bytes, index })) {
      return;
    }
    const marks = marksOf(identity, expiresAtMs);
    if (dueAtMs === undefined) {
      this.#append({ partition, lane }, scan, { index, marks });
    } else {
      this.#schedule(partition, { lane: lane.number, dueAtMs, record: scan.bytes, ...marks }, index);
    }
  }

  /** By what a repeat of the message would be known. */
  #identityOf({ idempotencyKey }: ScannedMessage, index: number): PublishIdentity | undefined {
    const numbered = identityOf(this.#request, index);
    return numbered ?? (idempotencyKey && identityOfKey(idempotencyKey));
  }

  /** False: it is a repeat, or refused. */
  #isNew(
    partition: Partition,
    identity: PublishIdentity,
    entry: { readonly bytes: Uint8Array; readonly index: number },
  ): boolean {
    this.claims ??= new PublishClaims();
    const claim = this.claims.claim(partition, { identity, ...entry });
    if (claim instanceof HermesError) {
      this.results.failed(entry.index, claim);
    }
    return claim === 'new';
  }

  #append(
    place: { readonly partition: Partition; readonly lane: Lane },
    scan: ScannedMessage,
    { index, marks }: { readonly index: number; readonly marks: Marks },
  ): void {
    const { bytes: record, refKey } = scan;
    const size = sizeOf(scan);
    const keyHash = keyHashOf(scan);
    const share = this.#shareOf(place, size);
    const entry = refKey === undefined ? { record, keyHash } : { record, keyHash, refKey };
    share.records.push(marks === NO_MARKS ? entry : { ...entry, ...marks });
    share.indices.push(index);
    share.bytes += size;
  }

  #schedule(partition: Partition, entry: NewSchedule, index: number): void {
    let share = this.scheduled.find((one) => one.partition === partition);
    if (share === undefined) {
      share = { partition, entries: [], indices: [] };
      this.scheduled.push(share);
    }
    share.entries.push(entry);
    share.indices.push(index);
  }

  /** Why the lane's storage may not take a message of so many bytes. */
  #refusal(lane: Lane, size: number): HermesError | undefined {
    const { name, requiredDurability } = this.#topic.settings;
    if (!isDurableEnough(lane.durability(), requiredDurability)) {
      return new HermesError('DURABILITY_UNMET', `the storage of topic ${name} promises less than the topic requires`);
    }
    return lane.log.fits(1, size)
      ? undefined
      : new HermesError('MESSAGE_TOO_LARGE', `the storage of topic ${name} takes no message of ${size} bytes`);
  }

  /** The share that a message of so many bytes is to join: one that its lane's storage takes as a whole. */
  #shareOf({ partition, lane }: { readonly partition: Partition; readonly lane: Lane }, size: number): LaneShare {
    const known = this.#last?.lane === lane ? this.#last : this.#filling.get(lane);
    if (known !== undefined && lane.log.fits(known.records.length + 1, known.bytes + size)) {
      this.#last = known;
      return known;
    }
    const chain = known?.chain ?? { broken: false };
    const share: LaneShare = { partition, lane, records: [], indices: [], bytes: 0, chain };
    this.#filling.set(lane, share);
    this.shares.push(share);
    this.#last = share;
    return share;
  }
}

/** What a store has to take: the record and its ref key. */
function sizeOf({ bytes, refKey }: ScannedMessage): number {
  return bytes.length + (refKey?.length ?? 0);
}

interface Times {
  /** When the message is to take its place; undefined: now. */
  readonly dueAtMs: number | undefined;
  /** From when on it is not delivered any more; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

const NO_TIMES: Times = { dueAtMs: undefined, expiresAtMs: undefined };

/** What the message says of time, on the store's clock. */
function timesOf({ deliverAtMs, delayMs, ttlMs }: ScannedMessage, partition: Partition): Times {
  if (deliverAtMs === undefined && delayMs === undefined && ttlMs === undefined) {
    return NO_TIMES;
  }
  const nowMs = partition.timeMs();
  const dueAtMs = Math.ceil(deliverAtMs ?? nowMs + (delayMs ?? 0));
  const expiresAtMs = ttlMs === undefined ? undefined : Math.floor(nowMs + ttlMs);
  return { dueAtMs: dueAtMs > nowMs ? dueAtMs : undefined, expiresAtMs };
}

type Marks = Pick<NewRecord, 'identity' | 'expiresAtMs'>;

const NO_MARKS: Marks = {};

/** What stands beside the record in its row; most messages have nothing. */
function marksOf(identity: PublishIdentity | undefined, expiresAtMs: number | undefined): Marks {
  if (identity === undefined && expiresAtMs === undefined) {
    return NO_MARKS;
  }
  return { ...(identity === undefined ? {} : { identity }), ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
}
