import { type MessageLog } from '@hermes/log';
import { type Partition } from '../partition/partition.js';

/** A lane's log, and when the oldest of its records was stored. */
export interface AgedLane {
  readonly log: MessageLog;
  readonly oldestAtMs: number;
}

const ONE = { maxRecords: 1, maxBytes: 1 };

/** The lanes of a partition, each asked once. Rejects with StoreError. */
export async function agedLanes({ lanes }: Partition): Promise<AgedLane[]> {
  const aged: AgedLane[] = [];
  for (const { log } of lanes) {
    const oldest = await log.read(log.firstOffset, ONE);
    aged.push({ log, oldestAtMs: oldest.count === 0 ? log.lastAppendedAtMs : oldest.appendedAtMs(0) });
  }
  return aged;
}

/** The first offset that is not older. Mostly the oldest record is not, and nothing more has to be asked. */
export async function firstSince({ log, oldestAtMs }: AgedLane, timeMs: number): Promise<number> {
  return oldestAtMs >= timeMs ? log.firstOffset : log.offsetAt(timeMs);
}
