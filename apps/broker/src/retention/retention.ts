import { HermesError } from '@hermes/contracts';
import { StoreError } from '@hermes/log';
import { type Logger } from '@hermes/kit';
import { type CancelTimer, type Clock, type TaskGroup, type Timers } from '@hermes/runtime';
import { type Counters } from '../counters.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { agedLanes } from './aged-lane.js';
import { skipOverdue } from './skip-overdue.js';
import { trimDeadLetters } from './trim-dead-letters.js';
import { trimTargets } from './trim-targets.js';

/** How often it is looked which partitions are due for a look. */
const TICK_MS = 500;
/** A partition is looked at this often per retention age, within bounds: old messages are a hundredth older at most. */
const LOOKS_PER_AGE = 100;
const LOOK_MS = { min: 500, max: 60_000 };

export interface RetentionOptions {
  readonly ownership: Ownership;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: TaskGroup;
  readonly logger: Logger;
}

/**
 * Drops what topics need not keep: messages older than `retention_age`, or more than `retention_bytes` of a partition,
 * but nothing that a group has not settled before `hard_retention_age`; and dead letters that are old or too many. One
 * partition at a time.
 */
export class Retention {
  readonly #options: RetentionOptions;
  /** When each partition is looked at next; monotonic. */
  readonly #dueAtMs = new WeakMap<Partition, number>();
  #cancel: CancelTimer = () => undefined;
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.timers.after(TICK_MS, () => {
      this.#options.tasks.run('trim logs', async () => {
        await this.#trimDue();
        if (!this.#stopped) {
          this.start();
        }
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #trimDue(): Promise<void> {
    for (const topic of this.#options.ownership.topics) {
      for (const partition of topic.partitions) {
        const nowMs = this.#options.clock.monotonicMs();
        const dueAtMs = this.#dueAtMs.get(partition) ?? this.#next(partition, nowMs);
        if (dueAtMs <= nowMs && !this.#stopped) {
          this.#next(partition, nowMs);
          await this.#trim(partition);
        }
      }
    }
  }

  #next(partition: Partition, nowMs: number): number {
    const everyMs = partition.topic.settings.retentionAgeMs / LOOKS_PER_AGE;
    const atMs = nowMs + Math.min(LOOK_MS.max, Math.max(LOOK_MS.min, everyMs));
    this.#dueAtMs.set(partition, atMs);
    return atMs;
  }

  async #trim(partition: Partition): Promise<void> {
    const { counters, logger } = this.#options;
    const options = { counters, logger: logger.child(placeOf(partition)) };
    try {
      // How long others' records are kept is not ours to say.
      const lanes = partition.topic.settings.attached === undefined ? await agedLanes(partition) : [];
      await skipOverdue(partition, lanes, options);
      await trimDeadLetters(partition, options);
      for (const { log, offset } of await trimTargets(partition, lanes)) {
        const before = log.firstOffset;
        if (offset > before && (await partition.known.keepBelow(log.lane, offset)) && partition.isServing) {
          const outcome = await log.truncateBefore(offset);
          counters.trimmed(outcome.kind === 'truncated' ? outcome.firstOffset - before : 0);
        }
      }
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof HermesError)) {
        throw error;
      }
      if (partition.isServing) {
        options.logger.warn({ err: error }, 'what need not be kept is not dropped');
      }
    }
  }
}

function placeOf({ topic, number }: Partition): { topic: string; partition: number } {
  return { topic: topic.settings.name, partition: number };
}
