import { type Logger } from '@hermes/kit';
import { type Counters } from '../counters.js';
import { type Partition } from '../partition/partition.js';
import { type AgedLane, firstSince } from './aged-lane.js';

export interface OverdueOptions {
  readonly counters: Pick<Counters, 'skipped'>;
  /** It names the partition. */
  readonly logger: Logger;
}

/**
 * Moves groups on that hold up the retention of a partition for longer than its topic allows: what they have not settled
 * within `hard_retention_age` is lost to them, counted and logged; retries go on with copies. Durable when it resolves.
 * Rejects with StoreError or HermesError.
 */
export async function skipOverdue(
  partition: Partition,
  lanes: readonly AgedLane[],
  options: OverdueOptions,
): Promise<void> {
  const sinceMs = partition.timeMs() - partition.topic.settings.hardRetentionAgeMs;
  for (const aged of lanes) {
    const below = await firstSince(aged, sinceMs);
    if (below > aged.log.firstOffset) {
      await skipIn(partition, aged.log.lane, { ...options, below });
    }
  }
}

async function skipIn(
  partition: Partition,
  lane: number,
  { counters, logger, below }: OverdueOptions & { readonly below: number },
): Promise<void> {
  for (const pump of partition.groups) {
    const lowest = pump.lowestNeeded(lane);
    const skipped = lowest === undefined || lowest >= below ? 0 : await pump.serial.run(() => pump.skip(lane, below));
    if (skipped > 0) {
      counters.skipped(skipped);
      logger.warn(
        { group: pump.settings.name, lane, messages: skipped, from: lowest, to: below },
        'a group has lost messages that it had not settled within the hard retention age',
      );
    }
  }
}
