import {
  type AckResult,
  type AcknowledgeResponse,
  checkGroupName,
  checkName,
  checkTopicName,
  decodeReceipt,
  HermesError,
  invalidField,
  LIMITS,
  Outcome,
  type RawAckEntry,
  type RawAcknowledgeRequest,
  readDuration,
  type Receipt,
  toStatus,
} from '@hermes/contracts';
import { type Now, SETTLE, type SettleKind, type SettleOutcome } from '@hermes/delivery';
import { type Counters } from '../counters.js';
import { type GroupPump } from '../partition/group-pump.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { type ReceiptHolder } from '../subscribe/receipts.js';

const DONE: AckResult = Object.freeze({ error: undefined });

/** One partition's part of a request: its group there, and the entries whose answers wait for a commit. */
interface Share {
  readonly partition: Partition;
  readonly pump: GroupPump;
  readonly pending: number[];
  /** One for all entries of the request: they came together. */
  readonly now: Now;
  /** Tag of the consumer's receipts, by the epoch that they were made at: nearly always one. */
  tagEpoch: number;
  tag: Uint8Array;
}

/** Answers Acknowledge: every entry alone, once it is durable. */
export class Acknowledger {
  readonly #ownership: Ownership;
  readonly #counters: Counters;

  constructor(ownership: Ownership, counters: Counters) {
    this.#ownership = ownership;
    this.#counters = counters;
  }

  /** Throws only if nothing was tried. */
  async acknowledge(request: RawAcknowledgeRequest): Promise<AcknowledgeResponse> {
    checkRequest(request);
    const ownership = this.#ownership;
    const topic = ownership.topic(request.topic);
    if (topic === undefined) {
      throw await ownership.refusal(request.topic, undefined);
    }
    if (!topic.groups.has(request.group)) {
      throw new HermesError('GROUP_NOT_FOUND', `topic ${request.topic} has no group ${request.group}`);
    }
    const settlement = new Settlement(request, topic);
    await settlement.awaitOpening(ownership);
    await settlement.answerMisrouted(ownership);
    await settlement.commit();
    settlement.count(this.#counters);
    return { results: settlement.results };
  }
}

/** The work of one request. */
class Settlement {
  readonly results: AckResult[];
  readonly #request: RawAcknowledgeRequest;
  readonly #topic: OwnedTopic;
  readonly #shares = new Map<number, Share | undefined>();
  readonly #misrouted = new Map<number, number[]>();
  /** What each entry asks for; 0 if that cannot be read. */
  readonly #kinds: Uint8Array;
  /** Reasons of the entries that failed. */
  readonly #refusals = new Map<number, string>();

  constructor(request: RawAcknowledgeRequest, topic: OwnedTopic) {
    this.#request = request;
    this.#topic = topic;
    this.#kinds = new Uint8Array(request.entries.length);
    this.results = new Array<AckResult>(request.entries.length).fill(DONE);
    request.entries.forEach((entry, index) => {
      this.#take(entry, index);
    });
  }

  /** Entries of partitions that are being opened here are settled once those are served. */
  async awaitOpening(ownership: Ownership): Promise<void> {
    const opening = ownership.opening(this.#topic.settings.name, [...this.#misrouted.keys()]);
    if (opening === undefined) {
      return;
    }
    await opening;
    const waiting = [...this.#misrouted];
    this.#misrouted.clear();
    for (const [partition, indices] of waiting) {
      this.#shares.delete(partition);
      for (const index of indices) {
        this.#take(this.#request.entries[index], index);
      }
    }
  }

  /** Entries of partitions that are not served here fail alone; if they are all there is, the call fails. */
  async answerMisrouted(ownership: Ownership): Promise<void> {
    for (const [partition, indices] of this.#misrouted) {
      const explained = await ownership.refusal(this.#topic.settings.name, partition);
      // No partition of the topic: no receipt of ours says so.
      const refusal = explained.code === 'INVALID_FIELD' ? notAllowed() : explained;
      if (explained === refusal && indices.length === this.results.length) {
        throw refusal;
      }
      for (const index of indices) {
        this.#fail(index, refusal);
      }
    }
  }

  /** Waits until everything that was decided is durable. */
  async commit(): Promise<void> {
    await Promise.all(
      [...this.#shares.values()].map(async (share) => {
        if (share === undefined || share.pending.length === 0) {
          return;
        }
        const failure = await share.partition.settles.write(share.pump);
        if (failure !== undefined) {
          for (const index of share.pending) {
            this.#fail(index, failure);
          }
        }
      }),
    );
  }

  /** Counts what is answered. */
  count(counters: Counters): void {
    for (const [index, reason] of this.#refusals) {
      this.#kinds[index] = 0;
      counters.refused(reason);
    }
    const counts = new Map<number, number>();
    for (const kind of this.#kinds) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    for (const kind of Object.values(SETTLE)) {
      counters.settled(kind, counts.get(kind) ?? 0);
    }
  }

  #take(entry: RawAckEntry | undefined, index: number): void {
    const error = entry && this.#settle(entry, index);
    if (error !== undefined) {
      this.#fail(index, error);
    }
  }

  #settle(entry: RawAckEntry, index: number): HermesError | undefined {
    const receipt = decodeReceipt(entry.receipt);
    if (receipt === undefined) {
      return invalidField(`entries[${index}].receipt`, 'a receipt as it was delivered');
    }
    const decision = readDecision(entry, index);
    if (decision instanceof HermesError) {
      return decision;
    }
    this.#kinds[index] = decision.kind;
    const share = this.#shareOf(receipt.partition);
    if (share === undefined) {
      this.#misroute(receipt.partition, index);
      return undefined;
    }
    const refusal = this.#check(share, receipt);
    if (refusal !== undefined) {
      return refusal;
    }
    const { lane, offset, attempt, deliveryNumber: deliveryNo, consumerEpoch } = receipt;
    const { kind, delayMs, reason, deadlineMs } = decision;
    // Spelled out: spreading `decision` cost a tenth of the broker's time.
    const request = { kind, lane, offset, attempt, deliveryNo, consumerEpoch, delayMs, reason, deadlineMs };
    const outcome = share.pump.settle(request, share.now);
    if (decision.kind === SETTLE.return || decision.kind === SETTLE.extend) {
      share.pump.wake();
    }
    return answer(outcome, share, index);
  }

  #shareOf(number: number): Share | undefined {
    if (this.#shares.has(number)) {
      return this.#shares.get(number);
    }
    const partition = this.#topic.served(number);
    const pump = partition?.group(this.#request.group);
    const share: Share | undefined =
      partition === undefined || pump === undefined
        ? undefined
        : { partition, pump, pending: [], now: pump.now(), tagEpoch: -1, tag: NO_TAG };
    this.#shares.set(number, share);
    return share;
  }

  /** Why the receipt does not count, whatever became of its message. */
  #check(share: Share, { tag, consumerEpoch }: Receipt): HermesError | undefined {
    const { receipts } = share.partition;
    if (consumerEpoch !== share.tagEpoch) {
      share.tagEpoch = consumerEpoch;
      share.tag = receipts.tag(this.#holder(share, consumerEpoch));
    }
    if (receipts.isEqual(tag, share.tag)) {
      return undefined;
    }
    return receipts.isOfEarlierGeneration(tag, this.#holder(share, consumerEpoch)) ? stale() : notAllowed();
  }

  #holder({ pump }: Share, consumerEpoch: number): ReceiptHolder {
    const { generation, settings } = pump;
    return { groupId: settings.id, generation, consumer: this.#request.consumer, consumerEpoch };
  }

  #misroute(partition: number, index: number): void {
    const indices = this.#misrouted.get(partition) ?? [];
    indices.push(index);
    this.#misrouted.set(partition, indices);
  }

  #fail(index: number, error: HermesError): void {
    this.results[index] = { error: toStatus(error) };
    this.#refusals.set(index, error.code);
  }
}

const NO_TAG = new Uint8Array(0);

function answer(outcome: SettleOutcome, share: Share, index: number): HermesError | undefined {
  switch (outcome.kind) {
    case 'done':
    case 'settledBefore':
      return undefined;
    case 'pending':
      share.pending.push(index);
      return undefined;
    case 'stale':
      return stale();
    case 'fenced':
      return new HermesError('FENCED', 'a newer consumer has the partition', {
        details: { epoch: String(outcome.consumerEpoch) },
      });
  }
}

interface Decision {
  readonly kind: SettleKind;
  readonly delayMs: number | undefined;
  readonly reason: string;
  readonly deadlineMs: number | undefined;
}

const ACK: Decision = { kind: SETTLE.ack, delayMs: undefined, reason: '', deadlineMs: undefined };

const KINDS: ReadonlyMap<Outcome, SettleKind> = new Map([
  [Outcome.ACK, SETTLE.ack],
  [Outcome.NACK, SETTLE.nack],
  [Outcome.RETURN, SETTLE.return],
  [Outcome.EXTEND, SETTLE.extend],
  [Outcome.DEAD_LETTER, SETTLE.deadLetter],
]);

/** What the consumer decided, or why the entry is refused. */
function readDecision(entry: RawAckEntry, index: number): Decision | HermesError {
  const { outcome, delay, reason, deadline } = entry;
  if (outcome === Outcome.ACK && delay === undefined && reason === '' && deadline === undefined) {
    return ACK;
  }
  const path = `entries[${index}]`;
  const delayMs = delay && readDuration(`${path}.delay`, delay, { min: 0, max: LIMITS.nackDelayMs });
  if (delayMs instanceof HermesError) {
    return delayMs;
  }
  const deadlineMs = deadline && readDuration(`${path}.deadline`, deadline, LIMITS.ackDeadlineMs);
  if (deadlineMs instanceof HermesError) {
    return deadlineMs;
  }
  if (Buffer.byteLength(reason) > LIMITS.ackReasonBytes) {
    return invalidField(`${path}.reason`, `at most ${LIMITS.ackReasonBytes} bytes`);
  }
  const kind = KINDS.get(outcome);
  if (kind === undefined) {
    return invalidField(`${path}.outcome`, 'ACK, NACK, RETURN, DEAD_LETTER or EXTEND');
  }
  return refuseUnused(entry, kind, path) ?? { kind, delayMs, reason, deadlineMs };
}

/** What an outcome has no use for is refused, not ignored: its consumer means something that would not be done. */
function refuseUnused(entry: RawAckEntry, kind: SettleKind, path: string): HermesError | undefined {
  const unused = USES.find(({ field, kinds }) => entry[field] !== undefined && entry[field] !== '' && !kinds.has(kind));
  return unused && invalidField(`${path}.${unused.field}`, unused.limit);
}

const USES = [
  { field: 'delay', kinds: new Set<SettleKind>([SETTLE.nack]), limit: 'only with NACK' },
  {
    field: 'reason',
    kinds: new Set<SettleKind>([SETTLE.nack, SETTLE.deadLetter]),
    limit: 'only with NACK or DEAD_LETTER',
  },
  { field: 'deadline', kinds: new Set<SettleKind>([SETTLE.extend]), limit: 'only with EXTEND' },
] as const;

function checkRequest({ topic, group, consumer, entries }: RawAcknowledgeRequest): void {
  const error = checkTopicName(topic) ?? checkGroupName(group) ?? checkName(consumer, 'consumer');
  if (error !== undefined) {
    throw error;
  }
  if (entries.length === 0 || entries.length > LIMITS.ackEntries) {
    throw invalidField('entries', `1 to ${LIMITS.ackEntries} entries`);
  }
}

function stale(): HermesError {
  return new HermesError('STALE_DELIVERY', 'the delivery is not in flight any more');
}

function notAllowed(): HermesError {
  return new HermesError('NOT_ALLOWED', 'the receipt is not one of this consumer');
}
