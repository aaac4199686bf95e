import {
  Durability,
  HermesError,
  invalidField,
  laterFieldError,
  LIMITS,
  messageError,
  notImplemented,
  type RawPublishRequest,
  scanMessage,
} from '@hermes/contracts';
import { type NewRecord } from '@hermes/log';
import { type Lane } from '../partition/lane.js';
import { keyHashOf } from '../partition/key-hash.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { PublishResults } from './publish-results.js';

/** Messages of one request that go to one lane, in order. */
export interface LaneShare {
  readonly lane: Lane;
  readonly records: NewRecord[];
  /** Where each stands in the request. */
  readonly indices: number[];
}

/** What is to be done for one request: shares to append, and entries already refused. */
export interface PublishPlan {
  readonly shares: readonly LaneShare[];
  readonly results: PublishResults;
  /** Entries whose partition (undefined: any one) is not served here; why, has still to be found out. */
  readonly misrouted: readonly { readonly index: number; readonly partition: number | undefined }[];
}

const DURABILITIES = {
  durable: Durability.DURABLE,
  replicated: Durability.REPLICATED,
  buffered: Durability.BUFFERED,
} as const;

/** Refuses a request as a whole: nothing of it is tried. Throws HermesError. */
export function checkPublishRequest(request: RawPublishRequest): void {
  const { messages } = request;
  if (messages.length === 0 || messages.length > LIMITS.publishMessages) {
    throw invalidField('messages', `1 to ${LIMITS.publishMessages} messages`);
  }
  if (messages.length > 1) {
    let bytes = 0;
    for (const message of messages) {
      bytes += message.length;
    }
    if (bytes > LIMITS.requestBytes) {
      throw invalidField('messages', `together at most ${LIMITS.requestBytes} bytes, or one message`);
    }
  }
  if (request.producerId !== undefined) {
    throw notImplemented('producer_id');
  }
  if (request.firstSequence !== undefined) {
    throw notImplemented('first_sequence');
  }
}

/** Checks every message and sorts the good ones by lane. Synchronous: nothing is stored yet. */
export function planPublish(request: RawPublishRequest, topic: OwnedTopic): PublishPlan {
  const { settings } = topic;
  if (request.partition !== undefined && !isPartition(request.partition, settings.partitions)) {
    throw invalidField('partition', `0 to ${settings.partitions - 1}`);
  }
  if (settings.paused) {
    throw new HermesError('TOPIC_PAUSED', `topic ${settings.name} is paused`);
  }
  const planner = new Planner(request, topic);
  request.messages.forEach((bytes, index) => {
    planner.add(bytes, index);
  });
  return planner;
}

class Planner implements PublishPlan {
  readonly #shares = new Map<Lane, LaneShare>();
  readonly misrouted: { readonly index: number; readonly partition: number | undefined }[] = [];
  readonly results: PublishResults;
  readonly #topic: OwnedTopic;
  readonly #partition: number | undefined;
  readonly #limits: { readonly maxBodyBytes: number; readonly priorityLevels: number };
  #last: LaneShare | undefined;

  constructor(request: RawPublishRequest, topic: OwnedTopic) {
    this.#topic = topic;
    this.#partition = request.partition;
    this.results = new PublishResults(request.messages.length, DURABILITIES[topic.durability]);
    this.#limits = { maxBodyBytes: topic.settings.bodyBytesMax, priorityLevels: topic.settings.lanes };
  }

  get shares(): readonly LaneShare[] {
    return [...this.#shares.values()];
  }

  add(bytes: Uint8Array, index: number): void {
    const scan = scanMessage(bytes, this.#limits);
    if (scan.kind !== 'ok') {
      this.results.failed(index, messageError(scan, index));
      return;
    }
    const later = scan.laterField;
    if (later !== undefined) {
      this.results.failed(index, laterFieldError(later, index));
      return;
    }
    const topic = this.#topic;
    const partition = this.#partition ?? scan.partition(topic.settings.partitions) ?? topic.nextPartition();
    const lane = partition === undefined ? undefined : topic.served(partition)?.lanes[scan.priority];
    if (lane === undefined) {
      this.misrouted.push({ index, partition });
      return;
    }
    const share = this.#shareOf(lane);
    const { refKey } = scan;
    const keyHash = keyHashOf(scan);
    share.records.push(refKey === undefined ? { record: bytes, keyHash } : { record: bytes, keyHash, refKey });
    share.indices.push(index);
  }

  #shareOf(lane: Lane): LaneShare {
    if (this.#last?.lane === lane) {
      return this.#last;
    }
    let share = this.#shares.get(lane);
    if (share === undefined) {
      share = { lane, records: [], indices: [] };
      this.#shares.set(lane, share);
    }
    this.#last = share;
    return share;
  }
}

function isPartition(partition: number, partitions: number): boolean {
  return partition >= 0 && partition < partitions;
}
