import { type Catalog } from '../catalog/catalog.js';
import { type TopicEntry } from '../catalog/settings.js';
import { TopicReader } from '../catalog/topic-reader.js';
import { OwnedTopic } from './owned-topic.js';

/** The topics of which partitions are open or opening here: each is one object, which its partitions share. */
export class OwnedTopics implements Iterable<OwnedTopic> {
  readonly #catalog: Catalog;
  readonly #reader: TopicReader;
  readonly #topics = new Map<string, OwnedTopic>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    this.#reader = new TopicReader(catalog);
  }

  [Symbol.iterator](): Iterator<OwnedTopic> {
    return this.#topics.values();
  }

  get(name: string): OwnedTopic | undefined {
    return this.#topics.get(name);
  }

  /** The topic as of `revision` or later; undefined if it was deleted. Rejects with an operating fault. */
  read(name: string, revision: number): Promise<TopicEntry | undefined> {
    return this.#reader.read(name, revision);
  }

  /** The object of a topic that was read at `revision`. One that was deleted and made again is another topic. */
  share(entry: TopicEntry, revision: number): OwnedTopic {
    const known = this.#topics.get(entry.topic.name);
    if (known?.settings.id === entry.topic.id) {
      known.update(entry, revision);
      return known;
    }
    const topic = new OwnedTopic(entry, revision, (name) => this.#catalog.readDataSource(name));
    this.#topics.set(entry.topic.name, topic);
    return topic;
  }

  forget(name: string): void {
    this.#topics.delete(name);
    this.#reader.forget(name);
  }
}
