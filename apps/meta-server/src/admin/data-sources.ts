import {
  checkName,
  type CreateDataSourceRequest,
  type CreateDataSourceResponse,
  DataSource,
  type DeleteDataSourceRequest,
  type DeleteDataSourceResponse,
  HermesError,
} from '@hermes/contracts';
import { type DataSourceRecord } from '@hermes/metadata';

import { checkedDataSource, dataSourceNotFound } from './data-source-spec.js';
import { refuse } from './field-check.js';
import { dataSourceResource, isSame } from './resource.js';
import { type AdminContext } from './topics.js';

/** Each broker has connections to every one that it owns partitions of. */
export const DATA_SOURCES_MAX = 1_000;

/** The calls of AdminService that change data sources. */
export class DataSourceAdmin {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async create({ dataSource }: CreateDataSourceRequest): Promise<CreateDataSourceResponse> {
    const config = checkedDataSource(dataSource);
    const { changes, cluster } = this.#context;
    const record = await changes.run(() => this.#create(config));
    return { dataSource: dataSourceResource(record, cluster.healthOf(config.name)) };
  }

  async delete({ dataSource }: DeleteDataSourceRequest): Promise<DeleteDataSourceResponse> {
    refuse(checkName(dataSource, 'data_source'));
    await this.#context.changes.run(() => this.#delete(dataSource));
    return {};
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
