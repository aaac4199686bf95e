import { type Logger } from '@hermes/kit';
import { type Counters } from '../counters.js';
import { type GroupPump } from '../partition/group-pump.js';
import { type Partition } from '../partition/partition.js';

export interface DeadLetterLimits {
  readonly ageMs: number;
  /** Of a group, in equal parts for its partitions. */
  readonly countMax: number;
}

export interface TrimOptions {
  readonly counters: Pick<Counters, 'trimmedDeadLetters'>;
  /** It names the partition. */
  readonly logger: Logger;
  readonly limits?: DeadLetterLimits;
}

const LIMITS: DeadLetterLimits = { ageMs: 14 * 86_400_000, countMax: 1_000_000 };
/** Dead letters that one transaction drops. */
const STEP_MAX = 1_000;

/**
 * Drops the dead letters of a partition that are too old, and the oldest ones where a group has too many; counted and
 * logged. Rejects with StoreError or HermesError.
 */
export async function trimDeadLetters(
  partition: Partition,
  { counters, logger, limits = LIMITS }: TrimOptions,
): Promise<void> {
  for (const pump of partition.groups) {
    const dropped = await pump.serial.run(() => trimGroup(partition, pump, limits));
    if (dropped > 0) {
      counters.trimmedDeadLetters(dropped);
      logger.warn({ group: pump.settings.name, messages: dropped }, 'dead letters were dropped, being old or too many');
    }
  }
}

async function trimGroup(partition: Partition, pump: GroupPump, limits: DeadLetterLimits): Promise<number> {
  const { groupState, topic } = partition;
  const groupId = pump.settings.id;
  const countMax = Math.floor(limits.countMax / topic.settings.partitions);
  const { deadLetters } = await groupState.counts(groupId);
  let left = deadLetters.reduce((sum, count) => sum + count, 0);
  let dropped = 0;
  while (left > 0) {
    const excess = left - countMax;
    const beforeMs = excess > 0 ? Number.MAX_SAFE_INTEGER : Math.floor(partition.timeMs() - limits.ageMs);
    const max = excess > 0 ? Math.min(excess, STEP_MAX) : STEP_MAX;
    const places = await groupState.deadLettersByAge(groupId, { first: 'oldest', diedBeforeMs: beforeMs, max });
    if (places.length === 0 || !pump.isRunning) {
      break;
    }
    await partition.commit(places.map((place) => ({ kind: 'deadLetterDone', groupId, place })));
    left -= places.length;
    dropped += places.length;
  }
  return dropped;
}
