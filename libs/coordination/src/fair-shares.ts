import { type AssignHolder, type AssignItem } from './assign.js';

/** What a holder should have. */
export interface FairShare {
  /** Items of all topics: a fraction, in proportion to its weight within what it must and what it may hold. */
  readonly items: number;
  /** Its part, from 0 to 1, of what its group may move: of each topic it should have as much. */
  readonly part: number;
}

interface Bounds {
  readonly holder: AssignHolder;
  /** What lives with it. */
  readonly fixed: number;
  /** That, and what is pinned to it. */
  readonly least: number;
  readonly most: number;
}

/** Halvings of the level: far finer than any count. */
const STEPS = 64;

/** The shares of all holders, by name. `holders` come in an order that depends on nothing but their names. */
export function fairShares(holders: readonly AssignHolder[], items: readonly AssignItem[]): Map<string, FairShare> {
  const movable = items.filter((item) => item.dataDirectory === '');
  const inDirectory = countBy(items, (item) => item.dataDirectory);
  const inGroup = countBy(movable, (item) => item.group);
  const pinned = countBy(
    movable.filter(({ pinnedTo = '' }) => pinnedTo !== ''),
    (item) => keyOf(item.pinnedTo ?? '', item.group),
  );
  const boundsOf = (holder: AssignHolder): Bounds => {
    const { name, group, itemsMax, dataDirectory, accepting } = holder;
    const fixed = dataDirectory === '' ? 0 : (inDirectory.get(dataDirectory) ?? 0);
    const room = accepting ? itemsMax : 0;
    const least = fixed + Math.min(room, pinned.get(keyOf(name, group)) ?? 0);
    return { holder, fixed, least, most: fixed + room };
  };
  const shares = new Map<string, FairShare>();
  for (const group of new Set(holders.map((holder) => holder.group))) {
    const bounds = holders.filter((holder) => holder.group === group).map(boundsOf);
    const total = bounds.reduce((sum, { fixed }) => sum + fixed, inGroup.get(group) ?? 0);
    const level = levelOf(bounds, total);
    const moved = bounds.map((bound) => shareAt(level, bound) - bound.fixed);
    const sum = moved.reduce((a, b) => a + b, 0);
    bounds.forEach(({ holder, fixed }, index) => {
      const own = moved[index] ?? 0;
      shares.set(holder.name, { items: fixed + own, part: sum > 0 ? own / sum : 0 });
    });
  }
  return shares;
}

function countBy(items: readonly AssignItem[], keyOf: (item: AssignItem) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) {
    counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  }
  return counts;
}

function keyOf(name: string, group: string): string {
  return `${name}\0${group}`;
}

/** The share per weight at which all is shared out, as far as the bounds allow. */
function levelOf(bounds: readonly Bounds[], total: number): number {
  let [low, high] = [0, total / Math.min(1, ...bounds.map(({ holder }) => holder.weight))];
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    const shared = bounds.reduce((sum, bound) => sum + shareAt(middle, bound), 0);
    [low, high] = shared < total ? [middle, high] : [low, middle];
  }
  return high;
}

function shareAt(level: number, { holder, least, most }: Bounds): number {
  return Math.min(most, Math.max(least, level * holder.weight));
}
