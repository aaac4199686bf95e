import { StateStore, StorageClass } from '@hermes/contracts';
import {
  type DataSourceRecord,
  type GroupRecord,
  type LeaseState,
  type Metadata,
  type TopicRecord,
} from '@hermes/metadata';

import { withStateStore } from './admin/kafka-topic-spec.js';

/** Rows read at once at the start. */
const PAGE_ROWS = 1_000;

/** What a meta-server starts from. */
export interface StoredState extends LeaseState {
  readonly topics: readonly TopicRecord[];
  readonly groups: readonly { readonly group: GroupRecord; readonly topic: TopicRecord }[];
  readonly dataSources: readonly DataSourceRecord[];
  /** TTL that was granted before this start; 0 = none was. */
  readonly formerTtlMs: number;
}

/** Reads everything, notes the TTL that is granted from now on, and with older topics what they say nothing of. */
export async function loadState(
  metadata: Metadata,
  { brokerLeaseTtlMs }: { readonly brokerLeaseTtlMs: number },
): Promise<StoredState> {
  const stored = await readAll(
    (after) => metadata.topics.list({ after, limit: PAGE_ROWS }),
    ({ config }) => config.name,
  );
  const dataSources = await readAll(
    (after) => metadata.dataSources.list({ after, limit: PAGE_ROWS }),
    ({ config }) => config.name,
  );
  const topics: TopicRecord[] = [];
  for (const topic of stored) {
    topics.push(await withNotedStateStore(metadata, topic, dataSources));
  }
  const groups: { group: GroupRecord; topic: TopicRecord }[] = [];
  for (const topic of topics) {
    const ofTopic = await readAll(
      (after) => metadata.groups.list(topic.config.name, { after, limit: PAGE_ROWS }),
      ({ config }) => config.name,
    );
    groups.push(...ofTopic.map((group) => ({ group, topic })));
  }
  const formerTtlMs = await metadata.leases.replaceTtl(brokerLeaseTtlMs);
  return { topics, groups, dataSources, formerTtlMs, ...(await metadata.leases.load()) };
}

/** Where a topic on Kafka keeps its groups' state was not stored at first: it was never the metadata. */
async function withNotedStateStore(
  metadata: Metadata,
  topic: TopicRecord,
  dataSources: readonly DataSourceRecord[],
): Promise<TopicRecord> {
  const { storageClass, dataSources: named, kafka } = topic.config;
  if (storageClass !== StorageClass.KAFKA || (kafka?.stateStore ?? StateStore.UNSPECIFIED) !== StateStore.UNSPECIFIED) {
    return topic;
  }
  const classes = dataSources
    .filter(({ config }) => named.includes(config.name))
    .map(({ config }) => config.storageClass);
  const noted = await metadata.topics.update(topic.config.name, ({ config }) =>
    withStateStore(config, classes, { isMetadataShared: false }),
  );
  return noted ?? topic;
}

async function readAll<T>(read: (after: string) => Promise<T[]>, nameOf: (entry: T) => string): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const last = all.at(-1);
    const page = await read(last === undefined ? '' : nameOf(last));
    all.push(...page);
    if (page.length < PAGE_ROWS) {
      return all;
    }
  }
}
