import {
  type DataSource,
  type DataSource_Health,
  GroupMode,
  type HermesError,
  StateStore,
  StorageClass,
} from '@hermes/contracts';
import {
  type BrokerView,
  COALESCE_MS,
  type ConsumerView,
  type DataSourceChoice,
  type LeasedGroup,
  type LeasedTopic,
  type MoveRefusal,
  type PartitionMove,
  type PartitionRef,
  type PartitionView,
} from '@hermes/coordination';
import { type GroupRecord, type Metadata, type TopicRecord } from '@hermes/metadata';
import { type Serial, sleep, type TaskGroup, type Timers } from '@hermes/runtime';

import { type LeaseControl } from '../admin/cluster.js';
import { type ClusterView, type Waiting } from '../admin/cluster-view.js';
import { topicNotFound } from '../admin/topics.js';
import { type BrokerLeaseHost } from './broker-lease-host.js';
import { type ConsumerLeaseHost } from './consumer-lease-host.js';
import { type DataSourceNames } from './data-source-names.js';
import { Readiness } from './readiness.js';

/** What the cluster is made of. */
export interface ClusterOptions {
  readonly metadata: Metadata;
  readonly brokers: BrokerLeaseHost;
  readonly consumers: ConsumerLeaseHost;
  readonly dataSources: DataSourceNames;
  readonly serial: Serial;
  readonly timers: Timers;
  readonly tasks: TaskGroup;
}

/** Between the admin calls and the leases: tells each change, waits for owners, answers what is where. */
export class Cluster implements ClusterView, LeaseControl {
  readonly readiness: Readiness;
  readonly #options: ClusterOptions;
  /** All groups by topic and name. */
  readonly #groups = new Map<string, Map<string, GroupRecord>>();
  readonly #dataSources: DataSourceNames;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#dataSources = options.dataSources;
    this.readiness = new Readiness(options.timers);
  }

  topicChanged(topic: TopicRecord): void {
    const { brokers, consumers } = this.#options;
    brokers.apply((leases, nowMs) => leases.topicUpserted(leasedTopic(topic, this.#dataSources), nowMs));
    for (const group of this.#groupsOf(topic.config.name)) {
      consumers.apply((leases, nowMs) => leases.groupUpserted(leasedGroup(group, topic), nowMs));
    }
  }

  topicDeleted({ config: { name } }: TopicRecord): void {
    const { brokers, consumers } = this.#options;
    this.#groups.delete(name);
    brokers.apply((leases, nowMs) => leases.topicDeleted(name, nowMs));
    consumers.apply((leases, nowMs) => leases.topicDeleted(name, nowMs));
    this.readiness.fail(topicNotFound(name), name);
  }

  groupChanged(group: GroupRecord, topic: TopicRecord): void {
    this.noteGroup(group);
    this.topicChanged(topic);
  }

  groupDeleted({ config: { name } }: GroupRecord, topic: TopicRecord): void {
    const topicName = topic.config.name;
    this.#groups.get(topicName)?.delete(name);
    this.#options.consumers.apply((leases, nowMs) => leases.groupDeleted(topicName, name, nowMs));
    this.topicChanged(topic);
  }

  dataSourceCreated(dataSource: DataSource): void {
    this.#dataSources.add(dataSource);
  }

  dataSourceDeleted(name: string): void {
    this.#dataSources.delete(name);
  }

  healthOf(dataSource: string): DataSource_Health[] {
    return this.#options.brokers.dataSources.of(dataSource);
  }

  withoutMetadata(brokerGroup: string): string[] {
    const { brokers } = this.#options;
    return brokers
      .brokers()
      .filter((view) => view.state === 'ACTIVE' && view.brokerGroup === brokerGroup)
      .flatMap(({ name }) => (brokers.processOf(name)?.reachesMetadata === true ? [] : [name]));
  }

  canPlace(storageClass: StorageClass): boolean {
    return this.#dataSources.of(storageClass).length > 0;
  }

  topicOn(dataSource: string): string | undefined {
    return this.#options.brokers.leases.partitions().find((view) => view.dataSource === dataSource)?.topic;
  }

  hasConsumers(topic: string, group?: string): boolean {
    const { leases } = this.#options.consumers;
    const names = group === undefined ? [...(this.#groups.get(topic)?.keys() ?? [])] : [group];
    return names.some((name) => leases.consumerCount(topic, name) > 0);
  }

  served({ name, revision }: { readonly name: string; readonly revision: number }, waiting: Waiting): Promise<void> {
    const { leases } = this.#options.brokers;
    const awaited = {
      topic: name,
      isReady: () => leases.isReady(name, revision),
      why: () => this.#whyMoving(name),
    };
    return this.readiness.wait(awaited, waiting);
  }

  /** Remembers a group as it is stored now. */
  noteGroup(group: GroupRecord): void {
    const { topic, name } = group.config;
    const known = this.#groups.get(topic) ?? new Map<string, GroupRecord>();
    this.#groups.set(topic, known.set(name, group));
  }

  /** Owners of the topic have told what they serve. */
  readyChanged(topic: string): void {
    const { brokers, metadata, tasks } = this.#options;
    this.readiness.changed(topic);
    for (const group of this.#groupsOf(topic)) {
      if (!group.active && brokers.leases.isReady(topic, group.createdRevision)) {
        this.noteGroup({ ...group, active: true });
        tasks.run('activate group', () => metadata.groups.activate(group.id));
      }
    }
  }

  brokers(): readonly BrokerView[] {
    return this.#options.brokers.brokers();
  }

  consumers(): readonly ConsumerView[] {
    return this.#options.consumers.consumers();
  }

  buildOf(broker: string): string {
    return this.#options.brokers.processOf(broker)?.build ?? '';
  }

  partitions(topic?: string): readonly PartitionView[] | undefined {
    const partitions = this.#options.brokers.leases.partitions(topic);
    return topic !== undefined && partitions.length === 0 ? undefined : partitions;
  }

  async drain(broker: string, cancel: boolean): Promise<number | undefined> {
    const { brokers } = this.#options;
    if (!this.brokers().some(({ name }) => name === broker)) {
      return undefined;
    }
    brokers.apply((leases, nowMs) => leases.drain(broker, { cancel }, nowMs));
    await this.#written();
    return brokers.leases.partitionsLeft(broker);
  }

  moveRefusal(partition: PartitionRef, broker: string): MoveRefusal | undefined {
    return this.#options.brokers.leases.moveRefusal(partition, broker);
  }

  async move({ topic, partition }: PartitionRef, broker: string, waiting: Waiting): Promise<number> {
    const { brokers } = this.#options;
    const view = (): PartitionView | undefined => brokers.leases.partitions(topic)[partition];
    brokers.apply((leases, nowMs) => leases.move({ topic, partition }, broker, nowMs));
    const awaited = {
      topic,
      isReady: () => view()?.broker === broker && view()?.state === 'OWNED',
      why: () => `partition ${partition} of topic ${topic} still moves to broker ${broker}`,
    };
    await this.readiness.wait(awaited, waiting);
    await this.#written();
    return view()?.epoch ?? 0;
  }

  async rebalance(dryRun: boolean): Promise<readonly PartitionMove[]> {
    const { brokers } = this.#options;
    const moves = brokers.leases.rebalanceMoves();
    if (!dryRun) {
      brokers.apply((leases, nowMs) => leases.rebalance(nowMs));
      await this.#written();
    }
    return moves;
  }

  /** Ends all waiting. */
  stop(reason: HermesError): void {
    this.readiness.end(reason);
  }

  /** The leases gather changes for COALESCE_MS before they write them; an answer shall be durable. */
  async #written(): Promise<void> {
    const { timers, serial } = this.#options;
    await sleep(timers, 2 * COALESCE_MS);
    await serial.run(() => Promise.resolve());
  }

  #groupsOf(topic: string): GroupRecord[] {
    return [...(this.#groups.get(topic)?.values() ?? [])];
  }

  #whyMoving(topic: string): string {
    if (!this.brokers().some(({ state }) => state === 'ACTIVE')) {
      return `topic ${topic} is stored but not served: no broker is registered that could own its partitions`;
    }
    const views = this.partitions(topic) ?? [];
    const served = views.filter(({ state }) => state === 'OWNED').length;
    return served < views.length
      ? `topic ${topic}: ${served} of ${views.length} partitions are served yet`
      : `topic ${topic}: not every partition has applied the change yet`;
  }
}

/** A topic as the leases see it. */
export function leasedTopic({ config, revision }: TopicRecord, dataSources: DataSourceNames): LeasedTopic {
  const { name, partitions = 0, brokerGroup, storageClass } = config;
  const topic = { name, partitions, revision, brokerGroup };
  if (storageClass === StorageClass.EMBEDDED) {
    return { ...topic, inDataDirectory: true };
  }
  const named = config.dataSources.filter((source) => dataSources.classOf(source) === storageClass);
  const choice: DataSourceChoice =
    named.length > 0 ? { names: named, named: true } : { names: dataSources.of(storageClass), named: false };
  const inDataDirectory = config.kafka?.stateStore === StateStore.DATA_DIRECTORY;
  return { ...topic, inDataDirectory, dataSources: choice };
}

/** A group as the leases see it. */
export function leasedGroup({ config }: GroupRecord, topic: TopicRecord): LeasedGroup {
  const { partitions = 0 } = topic.config;
  const mode = config.mode === GroupMode.EXCLUSIVE ? 'EXCLUSIVE' : 'SHARED';
  return { topic: config.topic, group: config.name, mode, partitions, revision: topic.revision };
}
