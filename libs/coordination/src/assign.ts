import { exceeds, Loads } from './loads.js';

/** Who may hold partitions: a broker, or a consumer of an EXCLUSIVE group. */
export interface AssignHolder {
  readonly name: string;
  /** Only items that ask for this group come here; empty where groups play no part. */
  readonly group: string;
  /** Holders of one zone, and those of one host, fail together: a topic is spread over both where counts allow it. */
  readonly zone: string;
  readonly host: string;
  /** Its share of the items in proportion to the others': above 0. */
  readonly weight: number;
  /** Items that it may hold, apart from those that live with it. */
  readonly itemsMax: number;
  /** The data directory that it serves; empty: none. */
  readonly dataDirectory: string;
  /** False: drained. It keeps what lives with it and loses all else. */
  readonly accepting: boolean;
  /** Data sources that it is cut off from: it loses what is there. */
  readonly cutOff?: ReadonlySet<string>;
}

/** One partition to be held. */
export interface AssignItem {
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  /** Lives there and is held by nobody else; empty: anyone may hold it. */
  readonly dataDirectory: string;
  /** Where it is stored; empty or unset: that plays no part. */
  readonly dataSource?: string;
  /** Who holds it now; empty: nobody. */
  readonly holder: string;
  /** Whom an operator gave it: held by that one and moved for no balance, as long as that one may hold it. */
  readonly pinnedTo?: string;
}

/**
 * Deals items to holders with the least adjustment: everything stays where it is unless its holder is gone, drained or
 * over its bound, or it is pinned elsewhere; what is free goes to who is furthest below its share, which is in proportion
 * to its weight; then items that are not pinned move only while two holders are further than one from each other above and
 * below their shares (of equal weight: while they differ by two), in total and per topic. The same input, in any order,
 * gives the same answer, and an answer given back is not changed.
 *
 * Returns the holder's name per item, in the order of `items`; undefined: nobody may hold it.
 */
export function assign(holders: readonly AssignHolder[], items: readonly AssignItem[]): (string | undefined)[] {
  const ordered = [...items].sort(byPartition);
  const loads = new Loads(holders, ordered);
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
    // Each move lowers the sum of squared distances from the shares.
  }
}

/** Moves one item between the two furthest above and below their shares, by more than one, that have an item that may go. */
function moveOne(loads: Loads): boolean {
  const ranked = loads.byExcess();
  for (const from of ranked) {
    for (const to of [...ranked].reverse()) {
      if (!exceeds(loads.excess(from) - loads.excess(to), 1)) {
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

/**
 * How far two holders may be from each other above and below their shares of one topic. Of equal weight they differ by a
 * whole number; of others the nearest ones do not fit better often enough to be worth a move.
 */
const TOPIC_GAP_MAX = 1.5;

function balanceTopics(loads: Loads): void {
  // A swap lowers the sum over topics of squared distances, but may open the way for one that was stuck: until nothing moves.
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

/** Brings one item of a topic from a holder that has too many to one that has too few, by a move or against another's. */
function spreadTopic(loads: Loads, topic: string): boolean {
  if (loads.topicGap(topic) <= TOPIC_GAP_MAX) {
    return false;
  }
  const ranked = loads.byTopic(topic);
  for (const from of ranked) {
    for (const to of [...ranked].reverse()) {
      const gap = loads.topicExcess(from, topic) - loads.topicExcess(to, topic);
      if (gap <= TOPIC_GAP_MAX) {
        break;
      }
      const item = loads.movable(from, to, topic);
      if (item === undefined) {
        continue;
      }
      if (!exceeds(1, loads.excess(from) - loads.excess(to)) && loads.hasRoom(to)) {
        loads.move(item, to);
        return true;
      }
      const against = loads.counterpart(to, from, gap);
      if (against !== undefined) {
        loads.move(item, to);
        loads.move(against, from);
        return true;
      }
    }
  }
  return false;
}
