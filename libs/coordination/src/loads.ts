import { type AssignHolder, type AssignItem } from './assign.js';

interface Load {
  readonly holder: AssignHolder;
  /** Items by topic. */
  readonly items: Map<string, Set<AssignItem>>;
  total: number;
  /** Of the total, those that live with the holder and never move. */
  fixed: number;
  /** Of the total, those that it does not hold yet: they move for nothing. */
  gained: number;
}

/** Who holds what while `assign` works. Every choice is made in the order of counts and then of names. */
export class Loads {
  readonly #loads = new Map<string, Load>();
  readonly #byItem = new Map<AssignItem, Load>();
  readonly #byDirectory = new Map<string, Load>();
  readonly #topics = new Set<string>();

  constructor(holders: readonly AssignHolder[]) {
    for (const holder of [...holders].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const load: Load = { holder, items: new Map(), total: 0, fixed: 0, gained: 0 };
      this.#loads.set(holder.name, load);
      if (holder.dataDirectory !== '') {
        this.#byDirectory.set(holder.dataDirectory, load);
      }
    }
  }

  get topics(): Iterable<string> {
    return this.#topics;
  }

  holderOf(item: AssignItem): string | undefined {
    return this.#byItem.get(item)?.holder.name;
  }

  /** Gives an item to the holder that it is pinned to; false if it is not pinned, or that one may not have it. */
  pin(item: AssignItem): boolean {
    this.#topics.add(item.topic);
    const load = item.dataDirectory === '' ? this.#loads.get(item.pinnedTo ?? '') : undefined;
    return load !== undefined && mayHold(load, item) && this.#room(load) && this.#put(item, load);
  }

  /** Leaves an item where it is or where it lives; false if it is free. */
  keep(item: AssignItem): boolean {
    const load = item.dataDirectory === '' ? this.#loads.get(item.holder) : this.#byDirectory.get(item.dataDirectory);
    if (item.dataDirectory === '') {
      return load !== undefined && mayHold(load, item) && this.#put(item, load);
    }
    // Lives in a directory: nobody else may hold it, so it is never free.
    return load === undefined || this.#put(item, load);
  }

  /** Takes from holders what is beyond their bounds, from the topics with most items first. */
  evictSurplus(): AssignItem[] {
    const evicted: AssignItem[] = [];
    for (const load of this.#loads.values()) {
      while (load.total - load.fixed > load.holder.itemsMax) {
        const item = this.#best(
          load,
          () => true,
          (topic) => countOf(load, topic),
        );
        if (item === undefined) {
          break;
        }
        this.#take(item, load);
        evicted.push(item);
      }
    }
    return evicted;
  }

  /** Gives a free item to the least loaded holder that may have it, if there is one. */
  place(item: AssignItem): void {
    let best: Load | undefined;
    for (const load of this.#loads.values()) {
      const isAble = mayHold(load, item) && this.#room(load);
      if (isAble && (best === undefined || this.#isLighter(load, best, item))) {
        best = load;
      }
    }
    if (best !== undefined) {
      this.#put(item, best);
    }
  }

  /** Names from the most to the least loaded. */
  byTotal(): string[] {
    return this.#ranked((load) => load.total);
  }

  /** Names from the one with most to the one with least items of a topic. */
  byTopic(topic: string): string[] {
    return this.#ranked((load) => countOf(load, topic));
  }

  total(name: string): number {
    return this.#load(name).total;
  }

  topicCount(name: string, topic: string): number {
    return countOf(this.#load(name), topic);
  }

  hasRoom(name: string): boolean {
    return this.#room(this.#load(name));
  }

  /** An item (of the topic, if given) that may go: best of the topic that the holder has more of than the other. */
  movable(from: string, to: string, topic?: string): AssignItem | undefined {
    const [source, target] = [this.#load(from), this.#load(to)];
    const fits = (item: AssignItem): boolean => (topic ?? item.topic) === item.topic && mayHold(target, item);
    return this.#best(source, fits, (name) => countOf(source, name) - countOf(target, name));
  }

  /** An item that `from` may give to `to` in exchange, of a topic that `from` has more of. */
  counterpart(from: string, to: string): AssignItem | undefined {
    const item = this.movable(from, to);
    return item !== undefined && this.topicCount(from, item.topic) > this.topicCount(to, item.topic) ? item : undefined;
  }

  move(item: AssignItem, to: string): void {
    const load = this.#byItem.get(item);
    if (load !== undefined) {
      this.#take(item, load);
    }
    this.#put(item, this.#load(to));
  }

  /** The movable item of the topic with the highest rank; one that its holder does not hold yet moves for nothing. */
  #best(load: Load, fits: (item: AssignItem) => boolean, rank: (topic: string) => number): AssignItem | undefined {
    let best: { item: AssignItem; score: number } | undefined;
    for (const [topic, items] of load.items) {
      const topicScore = 2 * rank(topic);
      // With many partitions most of the work is in the topics that are not looked at.
      const scoreMax = topicScore + (load.gained > 0 ? 1 : 0);
      const item = best === undefined || scoreMax > best.score ? firstMovable(items, load, fits) : undefined;
      const score = item !== undefined && isGained(item, load) ? topicScore + 1 : topicScore;
      if (item !== undefined && (best === undefined || score > best.score)) {
        best = { item, score };
      }
    }
    return best?.item;
  }

  #ranked(rank: (load: Load) => number): string[] {
    return [...this.#loads.values()].sort((a, b) => rank(b) - rank(a)).map((load) => load.holder.name);
  }

  #room(load: Load): boolean {
    return load.total - load.fixed < load.holder.itemsMax;
  }

  /** Whether `a` has less than `b`: in total, then of the item's topic, then of that in its zone, then on its host. */
  #isLighter(a: Load, b: Load, item: AssignItem): boolean {
    const byCount = a.total - b.total || countOf(a, item.topic) - countOf(b, item.topic);
    const within = (place: 'zone' | 'host'): number => this.#within(place, a, item) - this.#within(place, b, item);
    return (byCount || within('zone') || within('host')) < 0;
  }

  /** Items of the topic at all holders of the same zone or host. */
  #within(place: 'zone' | 'host', load: Load, item: AssignItem): number {
    let count = 0;
    for (const other of this.#loads.values()) {
      count += other.holder[place] === load.holder[place] ? countOf(other, item.topic) : 0;
    }
    return count;
  }

  #put(item: AssignItem, load: Load): true {
    const items = load.items.get(item.topic) ?? new Set();
    load.items.set(item.topic, items.add(item));
    load.total += 1;
    load.fixed += item.dataDirectory === '' ? 0 : 1;
    load.gained += isGained(item, load) ? 1 : 0;
    this.#byItem.set(item, load);
    return true;
  }

  #take(item: AssignItem, load: Load): void {
    load.items.get(item.topic)?.delete(item);
    load.total -= 1;
    load.gained -= isGained(item, load) ? 1 : 0;
    this.#byItem.delete(item);
  }

  #load(name: string): Load {
    const load = this.#loads.get(name);
    if (load === undefined) {
      throw new RangeError(`no holder ${name}`);
    }
    return load;
  }
}

/** The first item that may go, if possible one that its holder does not hold yet. */
function firstMovable(
  items: Iterable<AssignItem>,
  load: Load,
  fits: (item: AssignItem) => boolean,
): AssignItem | undefined {
  let held: AssignItem | undefined;
  for (const item of items) {
    if (item.dataDirectory === '' && item.pinnedTo !== load.holder.name && fits(item)) {
      if (load.gained === 0 || isGained(item, load)) {
        return item;
      }
      held ??= item;
    }
  }
  return held;
}

function isGained(item: AssignItem, load: Load): boolean {
  return item.holder !== load.holder.name;
}

function mayHold(load: Load, item: AssignItem): boolean {
  return load.holder.accepting && load.holder.group === item.group;
}

function countOf(load: Load, topic: string): number {
  return load.items.get(topic)?.size ?? 0;
}
