import { type DataSource, type DataSource_Health, type StorageClass } from '@hermes/contracts';
import { type GroupRecord, type TopicRecord } from '@hermes/metadata';

/** What a waiting call has left. */
export interface Waiting {
  /** Time until its deadline. */
  readonly deadlineMs: number;
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** What topics and groups need of the leases; all is told in the order in which it was stored. */
export interface ClusterView {
  /** A topic is new or has changed. */
  topicChanged(topic: TopicRecord): void;
  topicDeleted(topic: TopicRecord): void;
  /** A group is new or has changed, and its topic's revision with it. */
  groupChanged(group: GroupRecord, topic: TopicRecord): void;
  groupDeleted(group: GroupRecord, topic: TopicRecord): void;
  /** New topics may be placed there from now on. */
  dataSourceCreated(dataSource: DataSource): void;
  dataSourceDeleted(name: string): void;
  /** What the brokers find that use it, by broker. */
  healthOf(dataSource: string): DataSource_Health[];
  /** Active brokers of a group that cannot keep groups' state in the metadata database. */
  withoutMetadata(brokerGroup: string): string[];
  /** Whether a topic of this class that names no data source could be placed. */
  canPlace(storageClass: StorageClass): boolean;
  /** A topic with a partition there, stored or only decided; undefined: there is none. */
  topicOn(dataSource: string): string | undefined;
  /** True while consumers hold leases of the topic, or of one group of it. */
  hasConsumers(topic: string, group?: string): boolean;
  /** Resolves once the owners of all partitions are ready with `revision`; PARTITION_MOVING just before the deadline. */
  served(topic: { readonly name: string; readonly revision: number }, waiting: Waiting): Promise<void>;
}
