import { type DataSource } from '@hermes/contracts';
import { type StorageEngine } from '@hermes/log';
import { type StorageClassName } from '../catalog/settings.js';
import { type DataSources } from './data-sources.js';

/** Whose storage is wanted: a topic's class, and how to find the data sources that its partition is placed on. */
export interface StorageRequest {
  readonly storageClass: StorageClassName;
  /** Keeps the messages. */
  readonly dataSource: () => Promise<DataSource>;
  /** Of a topic on Kafka: the metadata database keeps its groups' state. */
  readonly stateInMetadata: boolean;
  /** Else this does; undefined: this broker's data directory. */
  readonly stateSource: () => Promise<DataSource | undefined>;
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
  async engine(request: StorageRequest): Promise<StorageEngine> {
    const { storageClass, dataSource } = request;
    switch (storageClass) {
      case 'embedded':
        return this.#embedded;
      case 'mysql':
        return this.#dataSources.mysql(await dataSource());
      case 'kafka': {
        const state = await this.#state(request);
        return this.#dataSources.kafka(await dataSource(), state);
      }
    }
  }

  /** Flushes and closes everything. */
  async close(): Promise<void> {
    await this.#dataSources.close();
    await this.#embedded.close();
  }

  async #state({ stateInMetadata, stateSource }: StorageRequest): Promise<StorageEngine> {
    if (stateInMetadata) {
      return this.#dataSources.metadata();
    }
    const source = await stateSource();
    return source === undefined ? this.#embedded : this.#dataSources.mysql(source);
  }
}
