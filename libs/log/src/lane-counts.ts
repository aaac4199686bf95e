/** Rows that a lane has of something. */
export interface LaneCount {
  readonly lane: number;
  readonly count: number;
}

/** The counts at their lanes' places, 0 where there is none. */
export function countsByLane(rows: readonly LaneCount[]): number[] {
  const counts: number[] = [];
  for (const { lane, count } of rows) {
    while (counts.length <= lane) {
      counts.push(0);
    }
    counts[lane] = count;
  }
  return counts;
}
