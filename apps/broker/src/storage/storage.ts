import { type DataSource, HermesError } from '@hermes/contracts';
import { type StorageEngine } from '@hermes/log';
import { type StorageClassName } from '../catalog/settings.js';
import { type DataSources } from './data-sources.js';

/** Whose storage is wanted: a topic's class, and how to find the data source that its partition is placed on. */
export interface StorageRequest {
  readonly storageClass: StorageClassName;
  readonly dataSource: () => Promise<DataSource>;
}

/** Everywhere this broker can store: its own data directory, and the servers that topics are placed on. */
export class Storage {
  readonly #embedded: StorageEngine;
  readonly #dataSources: DataSources;

  constructor(embedded: StorageEngine, dataSources: DataSources) {
    this.#embedded = embedded;
    this.#dataSources = dataSources;
  }

  /** The storage of a partition. Rejects with an operating fault if it cannot be had now. */
  async engine({ storageClass, dataSource }: StorageRequest): Promise<StorageEngine> {
    switch (storageClass) {
      case 'embedded':
        return this.#embedded;
      case 'mysql':
        return this.#dataSources.engine(await dataSource());
      case 'kafka':
        throw new HermesError('UNSUPPORTED_BY_STORAGE', 'this broker does not serve topics on Kafka');
    }
  }

  /** Flushes and closes everything. */
  async close(): Promise<void> {
    await Promise.all([this.#embedded.close(), this.#dataSources.close()]);
  }
}
