import { type HermesError, LIMITS, partitionOfReceipt, type RawAckEntry, statusToError } from '@hermes/contracts';
import { type ConsumerName } from './cluster/consumer-leases.js';
import { type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';

/** Entries of one request; more wait for the next one. */
const ENTRIES_MAX = 2_000;

interface WaitingEntry {
  readonly entry: RawAckEntry;
  readonly answered: (error: HermesError | undefined) => void;
}

interface ServerQueue {
  waiting: WaitingEntry[];
  busy: boolean;
}

/** Settles one consumer's deliveries: one Acknowledge in flight per server, what waits goes with the next. */
export class AckQueue {
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
  settle(entry: RawAckEntry, answered: (error: HermesError | undefined) => void): void {
    const partition = partitionOfReceipt(entry.receipt);
    const endpoint = this.#link.router.endpointOf(this.#consumer.topic, partition) ?? '';
    let queue = this.#servers.get(endpoint);
    if (queue === undefined) {
      queue = { waiting: [], busy: false };
      this.#servers.set(endpoint, queue);
    }
    this.#pending += 1;
    queue.waiting.push({ entry, answered });
    if (!queue.busy) {
      queue.busy = true;
      const server = queue;
      setImmediate(() => {
        void this.#drain(server);
      });
    }
  }

  /** Resolves once everything is answered. */
  settled(): Promise<void> {
    return this.#pending === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#onIdle.push(resolve);
        });
  }

  async #drain(server: ServerQueue): Promise<void> {
    while (server.waiting.length > 0) {
      const batch = server.waiting.splice(0, ENTRIES_MAX);
      await this.#send(batch);
      this.#pending -= batch.length;
    }
    server.busy = false;
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
