import { type LeaseAssignment } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { type Random, type Timers } from '@hermes/runtime';
import { type Catalog } from '../catalog/catalog.js';
import { Gate } from './gate.js';
import { retryFaults } from './operating-fault.js';
import { type OwnedTopic } from './owned-topic.js';
import { type PartitionOpener } from './partition-opener.js';

export interface TopicSweeperOptions {
  readonly catalog: Catalog;
  readonly opener: PartitionOpener;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Partitions that are looked after at once: a topic of a thousand is deleted in one moment. */
const SWEEPS_AT_ONCE = 4;

/** Tries to find out whether a partition that was taken away belongs to a deleted topic. */
const TRIES_MAX = 20;

/** Deletes the storage of partitions whose topic is gone. */
export class TopicSweeper {
  readonly #options: TopicSweeperOptions;
  readonly #gate = new Gate(SWEEPS_AT_ONCE);
  readonly #stopped = new AbortController();

  constructor(options: TopicSweeperOptions) {
    this.#options = options;
  }

  /** Looks whether `topic` is gone, of which a partition was taken away; if so deletes that one's storage. */
  async sweep(topic: OwnedTopic, assignment: LeaseAssignment): Promise<void> {
    const { catalog, opener, timers, random, logger } = this.#options;
    const { id, name } = topic.settings;
    const step = async (): Promise<void> => {
      const entry = await catalog.readTopic(name);
      if (entry?.topic.id !== id) {
        await opener.delete(topic, assignment);
        logger.info({ topic: name, partition: assignment.partition }, 'a deleted topic’s partition is swept');
      }
    };
    const signal = this.#stopped.signal;
    await retryFaults(() => this.#gate.run(step), { timers, random, signal, triesMax: TRIES_MAX });
  }

  /** Tries nothing again. */
  stop(): void {
    this.#stopped.abort();
  }
}
