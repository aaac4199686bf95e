import { type Catalog } from './catalog.js';
import { type TopicEntry } from './settings.js';

interface Read {
  readonly revision: number;
  readonly entry: Promise<TopicEntry | undefined>;
}

/**
 * Reads topics at a revision: an answer that was asked for after revision n was heard of serves everyone who needs at
 * most n. All partitions of a topic so share one read.
 */
export class TopicReader {
  readonly #catalog: Catalog;
  readonly #reads = new Map<string, Read>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** The topic as of `revision` or later; undefined if there is none. A failed read is not kept. */
  read(topic: string, revision: number): Promise<TopicEntry | undefined> {
    const known = this.#reads.get(topic);
    if (known !== undefined && known.revision >= revision) {
      return known.entry;
    }
    const read: Read = { revision, entry: this.#catalog.readTopic(topic) };
    this.#reads.set(topic, read);
    read.entry.catch(() => {
      if (this.#reads.get(topic) === read) {
        this.#reads.delete(topic);
      }
    });
    return read.entry;
  }

  forget(topic: string): void {
    this.#reads.delete(topic);
  }
}
