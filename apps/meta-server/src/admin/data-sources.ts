import {
  checkName,
  type CreateDataSourceRequest,
  type CreateDataSourceResponse,
  DataSource,
  type DeleteDataSourceRequest,
  type DeleteDataSourceResponse,
  type GetDataSourceRequest,
  type GetDataSourceResponse,
  HermesError,
  type ListDataSourcesRequest,
  type ListDataSourcesResponse,
} from '@hermes/contracts';
import { type DataSourceRecord } from '@hermes/metadata';

import { checkedDataSource, dataSourceNotFound } from './data-source-spec.js';
import { refuse } from './field-check.js';
import { cutPage, readPage } from './page.js';
import { isSame } from './resource.js';
import { type AdminContext } from './topics.js';

/** Each broker has connections to every one that it owns partitions of. */
export const DATA_SOURCES_MAX = 1_000;

/** The data source calls of AdminService. */
export class DataSourceAdmin {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async create({ dataSource }: CreateDataSourceRequest): Promise<CreateDataSourceResponse> {
    const config = checkedDataSource(dataSource);
    const { changes } = this.#context;
    return { dataSource: this.#answer(await changes.run(() => this.#create(config))) };
  }

  async get({ dataSource }: GetDataSourceRequest): Promise<GetDataSourceResponse> {
    refuse(checkName(dataSource, 'data_source'));
    const record = await this.#context.metadata.dataSources.get(dataSource);
    if (record === undefined) {
      throw dataSourceNotFound(dataSource);
    }
    return { dataSource: this.#answer(record) };
  }

  async list(request: ListDataSourcesRequest): Promise<ListDataSourcesResponse> {
    const page = readPage('data-sources', request);
    const { dataSources } = this.#context.metadata;
    const records = await dataSources.list({ after: page.after, limit: page.limit + 1 });
    const { entries, nextPageToken } = cutPage('data-sources', records, page, ({ config }) => config.name);
    return { dataSources: entries.map((record) => this.#answer(record)), nextPageToken };
  }

  async delete({ dataSource }: DeleteDataSourceRequest): Promise<DeleteDataSourceResponse> {
    refuse(checkName(dataSource, 'data_source'));
    await this.#context.changes.run(() => this.#delete(dataSource));
    return {};
  }

  #answer({ config }: DataSourceRecord): DataSource {
    return { ...config, health: this.#context.cluster.healthOf(config.name) };
  }

  async #create(config: DataSource): Promise<DataSourceRecord> {
    const { metadata, cluster, clock } = this.#context;
    const existing = await metadata.dataSources.get(config.name);
    if (existing !== undefined) {
      if (!isSame(DataSource, existing.config, config)) {
        throw new HermesError('DATA_SOURCE_EXISTS', `data source ${config.name} exists with another configuration`);
      }
      return existing;
    }
    if ((await metadata.dataSources.count()) >= DATA_SOURCES_MAX) {
      throw new HermesError('QUOTA_EXCEEDED', `at most ${DATA_SOURCES_MAX} data sources are allowed`);
    }
    const { record } = await metadata.dataSources.create(config, clock.wallMs());
    cluster.dataSourceCreated(config);
    return record;
  }

  async #delete(name: string): Promise<void> {
    const { metadata, cluster } = this.#context;
    // Placed and perhaps not stored yet. Nothing is placed meanwhile: topics are made in the same order of changes.
    const placed = cluster.topicOn(name);
    const outcome = placed === undefined ? await metadata.dataSources.delete(name) : { usedBy: placed };
    if (outcome === 'missing') {
      throw dataSourceNotFound(name);
    }
    if (outcome !== 'deleted') {
      const message = `data source ${name} is used by topic ${outcome.usedBy}: delete the topics that use it first`;
      throw new HermesError('RESOURCE_IN_USE', message, { details: { topic: outcome.usedBy } });
    }
    cluster.dataSourceDeleted(name);
  }
}
