import { type LeaseAssignment } from '@hermes/coordination';
import { type StorageEngine } from '@hermes/log';
import { type OwnedTopic } from './owned-topic.js';
import { Partition } from './partition.js';
import { type PartitionServices } from './partition-services.js';

/** What came of opening a granted partition. */
export type OpenOutcome =
  | { readonly kind: 'opened'; readonly partition: Partition }
  | { readonly kind: 'epochTooLow'; readonly observed: number }
  | { readonly kind: 'dataLoss'; readonly detail: string };

/** Opens granted partitions in the broker's storage, and deletes those of deleted topics. */
export class PartitionOpener {
  readonly #engine: StorageEngine;
  readonly #services: PartitionServices;
  readonly #incarnation: number;

  constructor(engine: StorageEngine, services: PartitionServices, incarnation: number) {
    this.#engine = engine;
    this.#services = services;
    this.#incarnation = incarnation;
  }

  get durability(): 'durable' | 'replicated' | 'buffered' {
    return this.#engine.capabilities.durability;
  }

  /** True if other brokers may open the same partitions: then their storage is not this one's to delete. */
  get movable(): boolean {
    return this.#engine.capabilities.movable;
  }

  /** Opens the store at the granted epoch and stores what new groups need; rejects with an operating fault. */
  async open(topic: OwnedTopic, assignment: LeaseAssignment): Promise<OpenOutcome> {
    const { partition, epoch, created } = assignment;
    const { id: topicId, lanes } = topic.settings;
    const incarnation = this.#incarnation;
    const outcome = await this.#engine.openPartition({ topicId, partition, epoch, incarnation, lanes, created });
    if (outcome.kind !== 'opened') {
      return outcome;
    }
    const opened = new Partition(topic, outcome.store, this.#services);
    try {
      await opened.applyGroups();
    } catch (error) {
      await opened.close();
      throw error;
    }
    return { kind: 'opened', partition: opened };
  }

  delete(topicId: number, partition: number): Promise<void> {
    return this.#engine.deletePartition(topicId, partition);
  }
}
