import {
  type DataSourceRecord,
  type GroupRecord,
  type LeaseState,
  type Metadata,
  type TopicRecord,
} from '@hermes/metadata';

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

/** Reads everything, and notes the TTL that is granted from now on. */
export async function loadState(
  metadata: Metadata,
  { brokerLeaseTtlMs }: { readonly brokerLeaseTtlMs: number },
): Promise<StoredState> {
  const topics = await readAll(
    (after) => metadata.topics.list({ after, limit: PAGE_ROWS }),
    ({ config }) => config.name,
  );
  const dataSources = await readAll(
    (after) => metadata.dataSources.list({ after, limit: PAGE_ROWS }),
    ({ config }) => config.name,
  );
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
