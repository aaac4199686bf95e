import { type LeaseAssignment } from '@hermes/coordination';
import { type LogShape, type StorageEngine } from '@hermes/log';
import { type Storage } from '../storage/storage.js';
import { type OwnedTopic } from './owned-topic.js';
import { Partition } from './partition.js';
import { type PartitionServices } from './partition-services.js';

/** What came of opening a granted partition. */
export type OpenOutcome =
  | { readonly kind: 'opened'; readonly partition: Partition }
  | { readonly kind: 'epochTooLow'; readonly observed: number }
  | { readonly kind: 'dataLoss'; readonly detail: string };

/** Opens granted partitions in the storage that their topic names, and deletes those of deleted topics. */
export class PartitionOpener {
  readonly #storage: Pick<Storage, 'engine'>;
  readonly #services: PartitionServices;
  readonly #incarnation: number;

  constructor(storage: Pick<Storage, 'engine'>, services: PartitionServices, incarnation: number) {
    this.#storage = storage;
    this.#services = services;
    this.#incarnation = incarnation;
  }

  /** Opens the store at the granted epoch and stores what new groups need; rejects with an operating fault. */
  async open(topic: OwnedTopic, assignment: LeaseAssignment): Promise<OpenOutcome> {
    const { partition, epoch, created } = assignment;
    const { id: topicId, lanes } = topic.settings;
    const shape = shapeOf(topic);
    const incarnation = this.#incarnation;
    const engine = await this.#engine(topic, assignment);
    const outcome = await engine.openPartition({ topicId, partition, epoch, incarnation, lanes, created, shape });
    if (outcome.kind !== 'opened') {
      return outcome;
    }
    const opened = new Partition(topic, { engine, store: outcome.store }, this.#services);
    opened.known.anticipate();
    try {
      await opened.applyGroups();
      await opened.schedule.start();
    } catch (error) {
      await opened.close();
      throw error;
    }
    return { kind: 'opened', partition: opened };
  }

  /** Deletes what a partition of a deleted topic holds. Its topic's id is never used again, whoever may have it open. */
  async delete(topic: OwnedTopic, assignment: LeaseAssignment): Promise<void> {
    const engine = await this.#engine(topic, assignment);
    await engine.deletePartition(topic.settings.id, assignment.partition);
  }

  #engine(topic: OwnedTopic, { dataSource }: LeaseAssignment): Promise<StorageEngine> {
    const { storageClass, stateInMetadata } = topic.settings;
    return this.#storage.engine({
      ...{ storageClass, stateInMetadata },
      dataSource: () => topic.dataSource(dataSource),
      stateSource: () => topic.stateSource(),
    });
  }
}

/** Its partitions are told as they are whenever that is asked. */
function shapeOf(topic: OwnedTopic): LogShape {
  const { attached } = topic.settings;
  return {
    get partitions() {
      return topic.settings.partitions;
    },
    ...(attached === undefined ? {} : { attached }),
  };
}
