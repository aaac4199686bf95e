import { type DataSource, type StorageClass } from '@hermes/contracts';

/** The data sources that there are, by class. */
export class DataSourceNames {
  readonly #classes = new Map<string, StorageClass>();

  constructor(dataSources: readonly DataSource[]) {
    for (const dataSource of dataSources) {
      this.add(dataSource);
    }
  }

  add({ name, storageClass }: DataSource): void {
    this.#classes.set(name, storageClass);
  }

  delete(name: string): void {
    this.#classes.delete(name);
  }

  /** Undefined: there is none of this name. */
  classOf(name: string): StorageClass | undefined {
    return this.#classes.get(name);
  }

  /** Names of all of one class. */
  of(storageClass: StorageClass): string[] {
    return [...this.#classes].flatMap(([name, found]) => (found === storageClass ? [name] : []));
  }
}
