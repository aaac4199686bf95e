import { type HermesError, LIMITS, partitionOfReceipt, type RawAckEntry, statusToError } from '@hermes/contracts';
import { type ConsumerName } from './cluster/consumer-leases.js';
import { type Environment } from './cluster/environment.js';
import { mayRepeat } from './cluster/failure.js';
import { type Link } from './cluster/link.js';
import { RequestQueue } from './request-queue.js';

/** Entries of one request; more wait for the next one. */
const ENTRIES_MAX = 2_000;

/**
 * How long partitions wait for each other's answers. Behind a gateway an owner that is silent would hold up what the
 * others settle: its partitions have a queue each from then on, until they are answered again.
 */
const TOGETHER_MS = 1_000;

interface WaitingEntry {
  readonly entry: RawAckEntry;
  readonly partition: number | undefined;
  readonly answered: (error: HermesError | undefined) => void;
}

interface Answer {
  readonly waiting: WaitingEntry;
  readonly error: HermesError | undefined;
}

/**
 * Settles one consumer's deliveries: one Acknowledge in flight per server, what waits goes with the next. What nobody
 * waits for gathers up to 20 ms, if that is allowed. What one server answers for a partition keeps its order.
 */
export class AckQueue {
  /** So many entries may gather; 0, as at first: each goes as soon as it can. */
  gatherMax = 0;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #consumer: ConsumerName;
  readonly #servers = new Map<string, RequestQueue<WaitingEntry>>();
  /** Partitions whose owners last did not answer. */
  readonly #silent = new Map<number | undefined, RequestQueue<WaitingEntry>>();
  #pending = 0;
  #onIdle: (() => void)[] = [];

  constructor(link: Link, environment: Environment, consumer: ConsumerName) {
    this.#link = link;
    this.#environment = environment;
    this.#consumer = consumer;
  }

  /** Calls `answered` once: without an error, the entry is durably done. */
  settle(entry: RawAckEntry, isAwaited: boolean, answered: (error: HermesError | undefined) => void): void {
    const partition = partitionOfReceipt(entry.receipt);
    this.#pending += 1;
    const queue = this.#silent.get(partition) ?? this.#serverOf(partition);
    queue.push({ entry, partition, answered }, isAwaited);
  }

  /** Sends what gathers; resolves once everything is answered. */
  settled(): Promise<void> {
    for (const queue of [...this.#servers.values(), ...this.#silent.values()]) {
      queue.flush();
    }
    return this.#pending === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#onIdle.push(resolve);
        });
  }

  #serverOf(partition: number | undefined): RequestQueue<WaitingEntry> {
    const endpoint = this.#link.router.endpointOf(this.#consumer.topic, partition) ?? '';
    return getOrCreate(this.#servers, endpoint, () => {
      const queue = this.#queue((batch) => this.#sendTogether(queue, batch));
      return queue;
    });
  }

  #silentOf(partition: number | undefined): RequestQueue<WaitingEntry> {
    return getOrCreate(this.#silent, partition, () => {
      const queue = this.#queue((batch) => this.#sendAlone(queue, batch));
      return queue;
    });
  }

  #queue(send: (batch: readonly WaitingEntry[]) => Promise<void>): RequestQueue<WaitingEntry> {
    return new RequestQueue({
      environment: this.#environment,
      itemsMax: ENTRIES_MAX,
      gatherMax: () => this.gatherMax,
      send,
    });
  }

  async #sendTogether(queue: RequestQueue<WaitingEntry>, batch: readonly WaitingEntry[]): Promise<void> {
    const answers = await this.#send(batch, TOGETHER_MS);
    const unanswered = answers.filter(isUnanswered).map(({ waiting }) => waiting);
    const silent = new Set(unanswered.map(({ partition }) => partition));
    for (const waiting of [...unanswered, ...queue.take(({ partition }) => silent.has(partition))]) {
      this.#silentOf(waiting.partition).push(waiting, true);
    }
    this.#tell(answers.filter((answer) => !isUnanswered(answer)));
  }

  async #sendAlone(queue: RequestQueue<WaitingEntry>, batch: readonly WaitingEntry[]): Promise<void> {
    const answers = await this.#send(batch, LIMITS.clientDeadlineMs - TOGETHER_MS);
    if (queue.waiting === 0 && !answers.some(isUnanswered)) {
      this.#silent.delete(batch[0]?.partition);
    }
    this.#tell(answers);
  }

  async #send(batch: readonly WaitingEntry[], patienceMs: number): Promise<Answer[]> {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + patienceMs;
    const request = { ...this.#consumer, entries: batch.map(({ entry }) => entry) };
    try {
      const results = await this.#link.acknowledge(request, { deadlineAtMs });
      return batch.map((waiting, at) => {
        const error = results[at]?.error;
        return { waiting, error: error && statusToError(error) };
      });
    } catch (error) {
      return batch.map((waiting) => ({ waiting, error: error as HermesError }));
    }
  }

  #tell(answers: readonly Answer[]): void {
    for (const { waiting, error } of answers) {
      waiting.answered(error);
    }
    this.#pending -= answers.length;
    if (this.#pending === 0) {
      const idle = this.#onIdle;
      this.#onIdle = [];
      idle.forEach((resolve) => {
        resolve();
      });
    }
  }
}

/** No owner told what became of it; it may be settled again. */
const isUnanswered = ({ error }: Answer): boolean => error !== undefined && mayRepeat(error);

function getOrCreate<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
