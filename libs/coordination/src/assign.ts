import { Loads } from './loads.js';

/** Who may hold partitions: a broker, or a consumer of an EXCLUSIVE group. */
export interface AssignHolder {
  readonly name: string;
  /** Only items that ask for this group come here; empty where groups play no part. */
  readonly group: string;
  /** Holders of one zone, and those of one host, fail together: a topic is spread over both where counts allow it. */
  readonly zone: string;
  readonly host: string;
  /** Items that it may hold, apart from those that live with it. */
  readonly itemsMax: number;
  /** The data directory that it serves; empty: none. */
  readonly dataDirectory: string;
  /** False: drained. It keeps what lives with it and loses all else. */
  readonly accepting: boolean;
}

/** One partition to be held. */
export interface AssignItem {
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  /** Lives there and is held by nobody else; empty: anyone may hold it. */
  readonly dataDirectory: string;
  /** Who holds it now; empty: nobody. */
  readonly holder: string;
  /** Whom an operator gave it: held by that one and moved for no balance, as long as that one may hold it. */
  readonly pinnedTo?: string;
}

/**
 * Deals items to holders with the least adjustment: everything stays where it is unless its holder is gone, drained or
 * over its bound, or it is pinned elsewhere; what is free goes to the least loaded; then items that are not pinned move
 * only while two holders differ by two or more, in total and per topic. The same input, in any order, gives the same answer, and an answer given back is not changed.
 *
 * Returns the holder's name per item, in the order of `items`; undefined: nobody may hold it.
 */
export function assign(holders: readonly AssignHolder[], items: readonly AssignItem[]): (string | undefined)[] {
  const loads = new Loads(holders);
  const ordered = [...items].sort(byPartition);
  // What is pinned comes first: it has a right to the room that there is.
  const unpinned = ordered.filter((item) => !loads.pin(item));
  const free = unpinned.filter((item) => !loads.keep(item));
  free.push(...loads.evictSurplus());
  for (const item of free.sort(byPartition)) {
    loads.place(item);
  }
  balanceTotals(loads);
  balanceTopics(loads);
  return items.map((item) => loads.holderOf(item));
}

function byPartition(a: AssignItem, b: AssignItem): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;
}

function balanceTotals(loads: Loads): void {
  while (moveOne(loads)) {
    // Each move lowers the sum of squared totals.
  }
}

/** Moves one item from the most to the least loaded pair that differs by two and has an item that may go. */
function moveOne(loads: Loads): boolean {
  const ranked = loads.byTotal();
  for (const from of ranked) {
    for (const to of [...ranked].reverse()) {
      if (loads.total(from) - loads.total(to) < 2) {
        break;
      }
      const item = loads.hasRoom(to) ? loads.movable(from, to) : undefined;
      if (item !== undefined) {
        loads.move(item, to);
        return true;
      }
    }
  }
  return false;
}

function balanceTopics(loads: Loads): void {
  // A swap for one topic never makes another worse, but may open the way for one that was stuck: until nothing moves.
  let moved = true;
  while (moved) {
    moved = false;
    for (const topic of loads.topics) {
      while (spreadTopic(loads, topic)) {
        moved = true;
      }
    }
  }
}

/** Brings one item of a topic from a holder with two more of it than another, by a move or against another's item. */
function spreadTopic(loads: Loads, topic: string): boolean {
  const ranked = loads.byTopic(topic);
  for (const from of ranked) {
    for (const to of [...ranked].reverse()) {
      if (loads.topicCount(from, topic) - loads.topicCount(to, topic) < 2) {
        break;
      }
      const item = loads.movable(from, to, topic);
      if (item === undefined) {
        continue;
      }
      if (loads.total(from) > loads.total(to) && loads.hasRoom(to)) {
        loads.move(item, to);
        return true;
      }
      const against = loads.counterpart(to, from);
      if (against !== undefined) {
        loads.move(item, to);
        loads.move(against, from);
        return true;
      }
    }
  }
  return false;
}
