import { type HermesError, LIMITS, partitionOfReceipt, type RawAckEntry, statusToError } from '@hermes/contracts';
import { type CancelTimer } from '@hermes/runtime';
import { type ConsumerName } from './cluster/consumer-leases.js';
import { type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';

/** Entries of one request; more wait for the next one. */
const ENTRIES_MAX = 2_000;

/**
 * From one request to the next while nobody waits for an answer. Each costs a call here, and at the broker a call and
 * a commit that appends have to wait for; and on Node 20 what a unary call of grpc-js leaves behind mostly survives
 * until a full collection.
 */
const GATHER_MS = 20;

interface WaitingEntry {
  readonly entry: RawAckEntry;
  readonly answered: (error: HermesError | undefined) => void;
}

interface ServerQueue {
  waiting: WaitingEntry[];
  state: 'idle' | 'gathering' | 'busy';
  /** Somebody waits for the answer of what waits. */
  isAwaited: boolean;
  /** When the last request was begun. */
  begunAtMs: number;
  cancelGathering: CancelTimer;
}

/**
 * Settles one consumer's deliveries: one Acknowledge in flight per server, what waits goes with the next. What nobody
 * waits for gathers up to 20 ms, if that is allowed.
 */
export class AckQueue {
  /** So many entries may gather; 0, as at first: each goes as soon as it can. */
  gatherMax = 0;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #consumer: ConsumerName;
  readonly #servers = new Map<string, ServerQueue>();
  #pending = 0;
  #onIdle: (() => void)[] = [];

  constructor(link: Link, environment: Environment, consumer: ConsumerName) {
    this.#link = link;
    this.#environment = environment;
    this.#consumer = consumer;
  }

  /** Calls `answered` once: without an error, the entry is durably done. */
  settle(entry: RawAckEntry, isAwaited: boolean, answered: (error: HermesError | undefined) => void): void {
    const queue = this.#queueOf(entry);
    this.#pending += 1;
    queue.waiting.push({ entry, answered });
    queue.isAwaited ||= isAwaited;
    this.#look(queue);
  }

  /** Sends what gathers; resolves once everything is answered. */
  settled(): Promise<void> {
    for (const queue of this.#servers.values()) {
      queue.isAwaited = true;
      this.#look(queue);
    }
    return this.#pending === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#onIdle.push(resolve);
        });
  }

  #queueOf(entry: RawAckEntry): ServerQueue {
    const partition = partitionOfReceipt(entry.receipt);
    const endpoint = this.#link.router.endpointOf(this.#consumer.topic, partition) ?? '';
    let queue = this.#servers.get(endpoint);
    if (queue === undefined) {
      queue = {
        waiting: [],
        state: 'idle',
        isAwaited: false,
        begunAtMs: Number.NEGATIVE_INFINITY,
        cancelGathering: () => undefined,
      };
      this.#servers.set(endpoint, queue);
    }
    return queue;
  }

  /** Begins a request, or waits until it is time for one. */
  #look(queue: ServerQueue): void {
    if (queue.state === 'busy' || queue.waiting.length === 0) {
      return;
    }
    const { clock, timers } = this.#environment;
    const mayGather = !queue.isAwaited && queue.waiting.length < this.gatherMax;
    const leftMs = mayGather ? queue.begunAtMs + GATHER_MS - clock.monotonicMs() : 0;
    if (leftMs <= 0) {
      this.#begin(queue);
    } else if (queue.state === 'idle') {
      queue.state = 'gathering';
      queue.cancelGathering = timers.after(leftMs, () => {
        this.#begin(queue);
      });
    }
  }

  #begin(queue: ServerQueue): void {
    queue.cancelGathering();
    queue.state = 'busy';
    queue.begunAtMs = this.#environment.clock.monotonicMs();
    // What is settled in the same turn of the event loop goes along.
    setImmediate(() => {
      void this.#run(queue);
    });
  }

  async #run(queue: ServerQueue): Promise<void> {
    const batch = queue.waiting.splice(0, ENTRIES_MAX);
    queue.isAwaited &&= queue.waiting.length > 0;
    await this.#send(batch);
    this.#pending -= batch.length;
    queue.state = 'idle';
    this.#look(queue);
    if (this.#pending === 0) {
      const idle = this.#onIdle;
      this.#onIdle = [];
      idle.forEach((resolve) => {
        resolve();
      });
    }
  }

  async #send(batch: readonly WaitingEntry[]): Promise<void> {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + LIMITS.clientDeadlineMs;
    const request = { ...this.#consumer, entries: batch.map(({ entry }) => entry) };
    try {
      const results = await this.#link.acknowledge(request, { deadlineAtMs });
      batch.forEach(({ answered }, at) => {
        const error = results[at]?.error;
        answered(error === undefined ? undefined : statusToError(error));
      });
    } catch (error) {
      for (const { answered } of batch) {
        answered(error as HermesError);
      }
    }
  }
}
