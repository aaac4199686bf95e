import { type AssignHolder, type AssignItem } from './assign.js';
import { type FairShare, fairShares } from './fair-shares.js';

/** Shares are fractions, and sums of them not exact. */
const EPSILON = 1e-6;

/** Two ranks of topics that differ by less are the same. */
const RANK_EPSILON = 1e-9;

/** Whether `a` is truly more than `b`. */
export function exceeds(a: number, b: number): boolean {
  return a > b + EPSILON;
}

/** Items by topic. */
type TopicCounts = Map<string, number>;

interface Load {
  readonly holder: AssignHolder;
  readonly share: FairShare;
  /** Items by topic. */
  readonly items: Map<string, Set<AssignItem>>;
  /** What all holders of its zone have, and all of its host: of one zone they share the counts. */
  readonly inZone: TopicCounts;
  readonly onHost: TopicCounts;
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
  /** How many items each topic has. */
  readonly #topics = new Map<string, number>();

  /** `items` come in an order that depends on nothing but topics and numbers. */
  constructor(holders: readonly AssignHolder[], items: readonly AssignItem[]) {
    const ordered = [...holders].sort((a, b) => (a.name < b.name ? -1 : 1));
    const shares = fairShares(ordered, items);
    for (const { topic } of items) {
      this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1);
    }
    const [zones, hosts] = [new Map<string, TopicCounts>(), new Map<string, TopicCounts>()];
    for (const holder of ordered) {
      const share = shares.get(holder.name) ?? { items: 0, part: 0 };
      const places = { inZone: countsAt(zones, holder.zone), onHost: countsAt(hosts, holder.host) };
      const load: Load = { holder, share, items: new Map(), ...places, total: 0, fixed: 0, gained: 0 };
      this.#loads.set(holder.name, load);
      if (holder.dataDirectory !== '') {
        this.#byDirectory.set(holder.dataDirectory, load);
      }
    }
  }

  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  holderOf(item: AssignItem): string | undefined {
    return this.#byItem.get(item)?.holder.name;
  }

  /** Gives an item to the holder that it is pinned to; false if it is not pinned, or that one may not have it. */
  pin(item: AssignItem): boolean {
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
        const item = best(load, { fits: () => true, rank: (topic) => 2 * countOf(load, topic), freeBonus: 1 });
        if (item === undefined) {
          break;
        }
        this.#take(item, load);
        evicted.push(item);
      }
    }
    return evicted;
  }

  /** Gives a free item to the holder furthest below its share that may have it, if there is one. */
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

  /** Names from the one furthest above to the one furthest below its share. */
  byExcess(): string[] {
    return this.#ranked(excessOf);
  }

  /** The same, of one topic. */
  byTopic(topic: string): string[] {
    return this.#ranked((load) => this.#topicExcess(load, topic));
  }

  /** How far the holders furthest above and furthest below their shares of a topic are from each other. */
  topicGap(topic: string): number {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const load of this.#loads.values()) {
      const excess = this.#topicExcess(load, topic);
      least = Math.min(least, excess);
      most = Math.max(most, excess);
    }
    return most - least;
  }

  /** By how much it has more than its share; negative: less. */
  excess(name: string): number {
    return excessOf(this.#load(name));
  }

  topicExcess(name: string, topic: string): number {
    return this.#topicExcess(this.#load(name), topic);
  }

  hasRoom(name: string): boolean {
    return this.#room(this.#load(name));
  }

  /** An item (of the topic, if given) that may go: best of the topic that the holder has more of than the other. */
  movable(from: string, to: string, topic?: string): AssignItem | undefined {
    return this.#movable(from, to, { topic, freeBonus: 1 });
  }

  /** An item that `from` may give to `to` in exchange for one whose topic it has less of by `gap`: both gain by it. */
  counterpart(from: string, to: string, gap: number): AssignItem | undefined {
    const item = this.#movable(from, to, { freeBonus: 2 * RANK_EPSILON });
    const more = item === undefined ? 0 : this.topicExcess(from, item.topic) - this.topicExcess(to, item.topic);
    return exceeds(more, 0) && exceeds(gap + more, 2) ? item : undefined;
  }

  move(item: AssignItem, to: string): void {
    const load = this.#byItem.get(item);
    if (load !== undefined) {
      this.#take(item, load);
    }
    this.#put(item, this.#load(to));
  }

  #movable(
    from: string,
    to: string,
    { topic, freeBonus }: { readonly topic?: string | undefined; readonly freeBonus: number },
  ): AssignItem | undefined {
    const [source, target] = [this.#load(from), this.#load(to)];
    const fits = (item: AssignItem): boolean => (topic ?? item.topic) === item.topic && mayHold(target, item);
    const rank = (name: string): number => 2 * (this.#topicExcess(source, name) - this.#topicExcess(target, name));
    return best(source, { fits, rank, freeBonus });
  }

  #ranked(rank: (load: Load) => number): string[] {
    return [...this.#loads.values()].sort((a, b) => rank(b) - rank(a)).map((load) => load.holder.name);
  }

  #room(load: Load): boolean {
    return load.total - load.fixed < load.holder.itemsMax;
  }

  /** Whether `a` has less than `b`: in total, then of the item's topic, then of that in its zone, then on its host. */
  #isLighter(a: Load, b: Load, { topic }: AssignItem): boolean {
    const total = excessOf(a) - excessOf(b);
    if (Math.abs(total) > EPSILON) {
      return total < 0;
    }
    const ofTopic = this.#topicExcess(a, topic) - this.#topicExcess(b, topic);
    if (Math.abs(ofTopic) > EPSILON) {
      return ofTopic < 0;
    }
    const within = (place: 'inZone' | 'onHost'): number => (a[place].get(topic) ?? 0) - (b[place].get(topic) ?? 0);
    return (within('inZone') || within('onHost')) < 0;
  }

  #topicExcess(load: Load, topic: string): number {
    return countOf(load, topic) - (this.#topics.get(topic) ?? 0) * load.share.part;
  }

  #put(item: AssignItem, load: Load): true {
    const items = load.items.get(item.topic) ?? new Set();
    load.items.set(item.topic, items.add(item));
    countPlaces(load, item, 1);
    load.total += 1;
    load.fixed += item.dataDirectory === '' ? 0 : 1;
    load.gained += isGained(item, load) ? 1 : 0;
    this.#byItem.set(item, load);
    return true;
  }

  #take(item: AssignItem, load: Load): void {
    load.items.get(item.topic)?.delete(item);
    countPlaces(load, item, -1);
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

/**
 * The movable item of the topic with the highest rank. One that its holder does not hold yet moves for nothing: it counts
 * `freeBonus` more.
 */
function best(
  load: Load,
  by: {
    readonly fits: (item: AssignItem) => boolean;
    readonly rank: (topic: string) => number;
    readonly freeBonus: number;
  },
): AssignItem | undefined {
  let found: AssignItem | undefined;
  let foundScore = Number.NEGATIVE_INFINITY;
  for (const [topic, items] of load.items) {
    const rank = by.rank(topic);
    // With many partitions most of the work is in the topics that are not looked at.
    const scoreMax = rank + (load.gained > 0 ? by.freeBonus : 0);
    const item = scoreMax > foundScore + RANK_EPSILON ? firstMovable(items, load, by.fits) : undefined;
    const score = item !== undefined && isGained(item, load) ? rank + by.freeBonus : rank;
    if (item !== undefined && score > foundScore + RANK_EPSILON) {
      [found, foundScore] = [item, score];
    }
  }
  return found;
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

function countsAt(places: Map<string, TopicCounts>, place: string): TopicCounts {
  const counts = places.get(place) ?? new Map<string, number>();
  places.set(place, counts);
  return counts;
}

function countPlaces({ inZone, onHost }: Load, { topic }: AssignItem, by: 1 | -1): void {
  inZone.set(topic, (inZone.get(topic) ?? 0) + by);
  onHost.set(topic, (onHost.get(topic) ?? 0) + by);
}

function isGained(item: AssignItem, load: Load): boolean {
  return item.holder !== load.holder.name;
}

function mayHold({ holder }: Load, item: AssignItem): boolean {
  return holder.accepting && holder.group === item.group && holder.cutOff?.has(item.dataSource ?? '') !== true;
}

function excessOf({ total, share }: Load): number {
  return total - share.items;
}

function countOf(load: Load, topic: string): number {
  return load.items.get(topic)?.size ?? 0;
}
