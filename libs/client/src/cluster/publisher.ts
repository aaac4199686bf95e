import { type CancelTimer } from '@hermes/runtime';
import { Budget } from './budget.js';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { PublishQueue } from './publish-queue.js';
import { type Router } from './router.js';

/** Bytes of messages that may be on their way in one process, if nothing else is said. */
export const PUBLISH_BYTES_MAX = 64 * 1024 * 1024;
/** Messages without a key that are published together go to one partition in runs: fewer, fuller frames. */
const RUN_MAX = 16;
/** A stream that carried nothing for so long is ended; a queue after ten times that is forgotten. */
const REST_MS = 30_000;
const FORGET_MS = 300_000;

interface Turn {
  next: number;
  run: number;
}

/** What a publisher needs. */
export interface PublisherDeps {
  readonly router: Router;
  readonly channels: Channels;
  readonly environment: Environment;
}

/** The publish queues of one process: one per partition, or per topic at a gateway. */
export class Publisher {
  /** What is on its way in all queues. */
  readonly budget: Budget;
  readonly #deps: PublisherDeps;
  readonly #queues = new Map<string, Map<number, PublishQueue>>();
  readonly #turns = new Map<string, Turn>();
  #turnRuns = false;
  #cancelSweep: CancelTimer | undefined;
  #closed = false;

  constructor(deps: PublisherDeps, bytesMax: number = PUBLISH_BYTES_MAX) {
    this.#deps = deps;
    this.budget = new Budget(bytesMax);
  }

  /** The queue of a partition; without one, of the whole topic. Once closed it refuses what is pushed. */
  queue(topic: string, partition: number | undefined): PublishQueue {
    let queues = this.#queues.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#queues.set(topic, queues);
    }
    const index = partition ?? -1;
    let queue = queues.get(index);
    if (queue === undefined) {
      queue = new PublishQueue({ ...this.#deps, topic, partition, budget: this.budget });
      if (this.#closed) {
        queue.close();
        return queue;
      }
      queues.set(index, queue);
      this.#scheduleSweep();
    }
    return queue;
  }

  /** Round robin over the partitions, those with an owner first. */
  nextPartition(topic: string, partitions: number): number {
    let turn = this.#turns.get(topic);
    if (turn === undefined) {
      turn = { next: Math.floor(this.#deps.environment.random.next() * partitions), run: 0 };
      this.#turns.set(topic, turn);
    }
    if (turn.run === 0) {
      this.#endTurnSoon();
      turn.next = this.#ownedFrom(topic, turn.next + 1, partitions);
    }
    turn.run = (turn.run + 1) % RUN_MAX;
    return turn.next % partitions;
  }

  close(): void {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const queues of this.#queues.values()) {
      for (const queue of queues.values()) {
        queue.close();
      }
    }
    this.#queues.clear();
  }

  #ownedFrom(topic: string, start: number, partitions: number): number {
    for (let step = 0; step < partitions; step += 1) {
      const partition = (start + step) % partitions;
      if (this.#deps.router.isOwned(topic, partition)) {
        return partition;
      }
    }
    return start % partitions;
  }

  /** What comes in another turn of the event loop begins another run: spread out if few, together if many. */
  #endTurnSoon(): void {
    if (!this.#turnRuns) {
      this.#turnRuns = true;
      setImmediate(() => {
        this.#turnRuns = false;
        for (const turn of this.#turns.values()) {
          turn.run = 0;
        }
      });
    }
  }

  #scheduleSweep(): void {
    this.#cancelSweep ??= this.#deps.environment.timers.after(REST_MS, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const nowMs = this.#deps.environment.clock.monotonicMs();
    for (const [topic, queues] of this.#queues) {
      for (const [partition, queue] of queues) {
        const unusedMs = nowMs - queue.usedAtMs;
        if (queue.idle && unusedMs > FORGET_MS) {
          queue.close();
          queues.delete(partition);
        } else if (unusedMs > REST_MS) {
          queue.rest();
        }
      }
      if (queues.size === 0) {
        this.#queues.delete(topic);
        this.#turns.delete(topic);
      }
    }
    if (this.#queues.size > 0) {
      this.#scheduleSweep();
    }
  }
}
