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

/**
 * A request that has no answer for so long holds nobody else up: behind a gateway one owner that is silent would hold up
 * what others settle. From then on each partition has requests of its own, until that has not happened for a while.
 */
const LATE_MS = 1_000;
const APART_MS = 30_000;

interface WaitingEntry {
  readonly entry: RawAckEntry;
  readonly answered: (error: HermesError | undefined) => void;
}

interface Queue {
  readonly server: string;
  waiting: WaitingEntry[];
  state: 'idle' | 'gathering' | 'busy';
  /** Somebody waits for the answer of what waits. */
  isAwaited: boolean;
  /** When the last request was begun. */
  begunAtMs: number;
  cancelGathering: CancelTimer;
}

/**
 * Settles one consumer's deliveries: one Acknowledge in flight per server, or per partition where a server is late; what
 * waits goes with the next. What nobody waits for gathers up to 20 ms, if that is allowed.
 */
export class AckQueue {
  /** So many entries may gather; 0, as at first: each goes as soon as it can. */
  gatherMax = 0;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #consumer: ConsumerName;
  /** By server, and by server and partition. */
  readonly #queues = new Map<string, Queue>();
  /** Until when each server's partitions have queues of their own. */
  readonly #apartUntilMs = new Map<string, number>();
  #pending = 0;
  #onIdle: (() => void)[] = [];

  constructor(link: Link, environment: Environment, consumer: ConsumerName) {
    this.#link = link;
    this.#environment = environment;
    this.#consumer = consumer;
  }

  /** Calls `answered` once: without an error, the entry is durably done. */
  settle(entry: RawAckEntry, isAwaited: boolean, answered: (error: HermesError | undefined) => void): void {
    this.#pending += 1;
    this.#enqueue({ entry, answered }, isAwaited);
  }

  /** Sends what gathers; resolves once everything is answered. */
  settled(): Promise<void> {
    for (const queue of this.#queues.values()) {
      queue.isAwaited = true;
      this.#look(queue);
    }
    return this.#pending === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#onIdle.push(resolve);
        });
  }

  #enqueue(waiting: WaitingEntry, isAwaited: boolean): void {
    const queue = this.#queueOf(waiting.entry);
    queue.waiting.push(waiting);
    queue.isAwaited ||= isAwaited;
    this.#look(queue);
  }

  #queueOf(entry: RawAckEntry): Queue {
    const partition = partitionOfReceipt(entry.receipt);
    const server = this.#link.router.endpointOf(this.#consumer.topic, partition) ?? '';
    const apartUntilMs = this.#apartUntilMs.get(server) ?? Number.NEGATIVE_INFINITY;
    const isApart = this.#environment.clock.monotonicMs() < apartUntilMs;
    const key = isApart ? `${server} ${partition}` : server;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = {
        server,
        waiting: [],
        state: 'idle',
        isAwaited: false,
        begunAtMs: Number.NEGATIVE_INFINITY,
        cancelGathering: () => undefined,
      };
      this.#queues.set(key, queue);
    }
    return queue;
  }

  /** Begins a request, or waits until it is time for one. */
  #look(queue: Queue): void {
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

  #begin(queue: Queue): void {
    queue.cancelGathering();
    queue.state = 'busy';
    queue.begunAtMs = this.#environment.clock.monotonicMs();
    // What is settled in the same turn of the event loop goes along.
    setImmediate(() => {
      void this.#run(queue);
    });
  }

  async #run(queue: Queue): Promise<void> {
    const batch = queue.waiting.splice(0, ENTRIES_MAX);
    queue.isAwaited &&= queue.waiting.length > 0;
    const cancelLate = this.#environment.timers.after(LATE_MS, () => {
      this.#late(queue);
    });
    await this.#send(batch);
    cancelLate();
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

  /** What waits behind a late request goes by partition. */
  #late(queue: Queue): void {
    this.#apartUntilMs.set(queue.server, this.#environment.clock.monotonicMs() + APART_MS);
    for (const waiting of queue.waiting.splice(0)) {
      this.#enqueue(waiting, queue.isAwaited);
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
