import { type DataSource, StorageClass } from '@hermes/contracts';
import { type GroupSettings, type TopicEntry, type TopicSettings } from '../catalog/settings.js';
import { type Partition } from './partition.js';

/** A topic of which this broker owns partitions, as it was last read, and the open ones among them. */
export class OwnedTopic {
  readonly #readDataSource: (name: string) => Promise<DataSource>;
  readonly #dataSources = new Map<string, Promise<DataSource>>();
  #revision: number;
  #settings: TopicSettings;
  #groups: ReadonlyMap<string, GroupSettings>;
  readonly #open = new Map<number, Partition>();
  #inTurn: readonly Partition[] = [];
  #turn = 0;

  constructor(entry: TopicEntry, revision: number, readDataSource: (name: string) => Promise<DataSource>) {
    this.#readDataSource = readDataSource;
    this.#revision = revision;
    this.#settings = entry.topic;
    this.#groups = byName(entry.groups);
  }

  get settings(): TopicSettings {
    return this.#settings;
  }

  get groups(): ReadonlyMap<string, GroupSettings> {
    return this.#groups;
  }

  /**
   * A data source that partitions of the topic are placed on. Read once: it cannot be changed, nor deleted while the
   * topic is there.
   */
  dataSource(name: string): Promise<DataSource> {
    let source = this.#dataSources.get(name);
    if (source === undefined) {
      source = this.#readDataSource(name);
      source.catch(() => this.#dataSources.delete(name));
      this.#dataSources.set(name, source);
    }
    return source;
  }

  /** The MySQL server that keeps the groups' state of a topic on Kafka; undefined: it names none. */
  async stateSource(): Promise<DataSource | undefined> {
    const named = await Promise.all(this.#settings.dataSources.map((name) => this.dataSource(name)));
    return named.find(({ storageClass }) => storageClass === StorageClass.MYSQL);
  }

  /** All open partitions, in no order. */
  get partitions(): readonly Partition[] {
    return this.#inTurn;
  }

  /**
   * Takes over what was read anew, unless something newer was read meanwhile: answers may overtake each other.
   * Partitions apply it to their groups themselves.
   */
  update(entry: TopicEntry, revision: number): void {
    if (revision < this.#revision) {
      return;
    }
    this.#revision = revision;
    this.#settings = entry.topic;
    this.#groups = byName(entry.groups);
  }

  add(partition: Partition): void {
    this.#open.set(partition.number, partition);
    this.#inTurn = [...this.#open.values()];
  }

  remove(partition: Partition): void {
    if (this.#open.get(partition.number) === partition) {
      this.#open.delete(partition.number);
      this.#inTurn = [...this.#open.values()];
    }
  }

  /** The partition, if it is open here and its lease is valid at this moment. */
  served(number: number): Partition | undefined {
    const partition = this.#open.get(number);
    return partition?.isServing === true ? partition : undefined;
  }

  /** The next served partition in turn, for messages that may go anywhere; undefined if none is served. */
  nextPartition(): number | undefined {
    for (let tries = this.#inTurn.length; tries > 0; tries -= 1) {
      this.#turn = (this.#turn + 1) % this.#inTurn.length;
      const partition = this.#inTurn[this.#turn];
      if (partition?.isServing === true) {
        return partition.number;
      }
    }
    return undefined;
  }
}

function byName(groups: readonly GroupSettings[]): ReadonlyMap<string, GroupSettings> {
  return new Map(groups.map((group) => [group.name, group]));
}
