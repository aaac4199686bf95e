import { type MessageLog } from '@hermes/log';
import { type Partition } from '../partition/partition.js';
import { type AgedLane, firstSince } from './aged-lane.js';

/** Up to where a lane's log need not be kept. */
export interface TrimTarget {
  readonly log: MessageLog;
  readonly offset: number;
}

/** Where the lanes of a partition may be cut, by its topic's retention and its groups' progress. Rejects with StoreError. */
export async function trimTargets(partition: Partition, lanes: readonly AgedLane[]): Promise<TrimTarget[]> {
  const { retentionAgeMs, retentionBytes } = partition.topic.settings;
  const excess = excessShare(partition, retentionBytes);
  const targets: TrimTarget[] = [];
  for (const lane of lanes) {
    const { log } = lane;
    const byAge = await firstSince(lane, partition.timeMs() - retentionAgeMs);
    const bySize = log.firstOffset + Math.floor((log.nextOffset - log.firstOffset) * excess);
    const wanted = Math.max(byAge, bySize);
    if (wanted > log.firstOffset) {
      targets.push({ log, offset: Math.min(wanted, lowestKept(partition, log)) });
    }
  }
  return targets;
}

/** The share of a partition's bytes that it has too much; its lanes give it in equal shares. */
function excessShare({ lanes }: Partition, retentionBytes: number): number {
  const bytes = lanes.reduce((sum, { log }) => sum + log.sizeBytes, 0);
  return retentionBytes === 0 || bytes <= retentionBytes ? 0 : 1 - retentionBytes / bytes;
}

/** Nothing at or above this may go: some group needs it. A group that is not here just now keeps all. */
function lowestKept(partition: Partition, log: MessageLog): number {
  let lowest = log.nextOffset;
  for (const name of partition.topic.groups.keys()) {
    const pump = partition.group(name);
    if (pump?.isRunning !== true) {
      return log.firstOffset;
    }
    lowest = Math.min(lowest, pump.lowestNeeded(log.lane) ?? lowest);
  }
  return lowest;
}
