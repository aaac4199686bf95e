import {
  type AdminServiceService,
  checkName,
  checkTopicName,
  type DataSource,
  type DataSource_Health,
} from '@hermes/contracts';
import { type Handlers } from '@hermes/kit';
import { type DataSourceRecord, type MetadataReads, type PageRequest } from '@hermes/metadata';

import { dataSourceNotFound } from './data-source-spec.js';
import { refuse } from './field-check.js';
import { checkGroupNames, groupMissing } from './groups.js';
import { cutPage, type PageParameters, readPage } from './page.js';
import { dataSourceResource, groupResource, topicResource } from './resource.js';
import { topicNotFound } from './topics.js';

/** Calls of AdminService that only read what is stored: any meta-server answers them, whoever leads. */
export type StoredCalls = Pick<
  Handlers<typeof AdminServiceService>,
  'getTopic' | 'listTopics' | 'getGroup' | 'listGroups' | 'getDataSource' | 'listDataSources'
>;

/** Their handlers. `healthOf` gives what brokers tell the leader of a data source; a follower knows nothing of it. */
export function storedCalls(
  { topics, groups, dataSources }: MetadataReads,
  healthOf: (dataSource: string) => DataSource_Health[],
): StoredCalls {
  const dataSource = (record: DataSourceRecord): DataSource => dataSourceResource(record, healthOf(record.config.name));
  return {
    getTopic: async ({ topic }) => {
      refuse(checkTopicName(topic));
      return { topic: topicResource(found(await topics.get(topic), () => topicNotFound(topic))) };
    },
    listTopics: async (request) => {
      const { entries, nextPageToken } = await listed('topics', request, (page) => topics.list(page));
      return { topics: entries.map(topicResource), nextPageToken };
    },
    getGroup: async ({ topic, group }) => {
      checkGroupNames(topic, group);
      const record = await groups.get(topic, group);
      if (record === undefined) {
        throw await groupMissing(topics, topic, group);
      }
      return { group: groupResource(record) };
    },
    listGroups: async (request) => {
      const { topic } = request;
      refuse(checkTopicName(topic));
      const list = async (page: PageRequest) => {
        found(await topics.get(topic), () => topicNotFound(topic));
        return groups.list(topic, page);
      };
      const { entries, nextPageToken } = await listed(`groups:${topic}`, request, list);
      return { groups: entries.map(groupResource), nextPageToken };
    },
    getDataSource: async ({ dataSource: name }) => {
      refuse(checkName(name, 'data_source'));
      return { dataSource: dataSource(found(await dataSources.get(name), () => dataSourceNotFound(name))) };
    },
    listDataSources: async (request) => {
      const { entries, nextPageToken } = await listed('data-sources', request, (page) => dataSources.list(page));
      return { dataSources: entries.map(dataSource), nextPageToken };
    },
  };
}

async function listed<T extends { readonly config: { readonly name: string } }>(
  scope: string,
  request: PageParameters,
  list: (page: PageRequest) => Promise<T[]>,
): Promise<{ entries: readonly T[]; nextPageToken: string }> {
  const page = readPage(scope, request);
  // One more than asked for tells whether there is a next page.
  const records = await list({ after: page.after, limit: page.limit + 1 });
  return cutPage(scope, records, page, ({ config }) => config.name);
}

function found<T>(record: T | undefined, missing: () => Error): T {
  if (record === undefined) {
    throw missing();
  }
  return record;
}
