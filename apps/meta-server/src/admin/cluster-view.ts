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
  /** A topic is new, or it or one of its groups has changed. */
  topicChanged(topic: TopicRecord): void;
  topicDeleted(topic: TopicRecord): void;
  /** A group is new or has changed. */
  groupChanged(group: GroupRecord): void;
  groupDeleted(group: GroupRecord): void;
  /** True while consumers hold leases of the topic, or of one group of it. */
  hasConsumers(topic: string, group?: string): boolean;
  /** Resolves once the owners of all partitions are ready with `revision`; PARTITION_MOVING just before the deadline. */
  served(topic: { readonly name: string; readonly revision: number }, waiting: Waiting): Promise<void>;
}
