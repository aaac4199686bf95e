import { type Logger } from '@hermes/kit';
import { type Counters } from '../counters.js';
import { type Lane } from '../partition/lane.js';
import { type Partition } from '../partition/partition.js';
import { firstSince } from './trim-targets.js';

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
export async function skipOverdue(partition: Partition, options: OverdueOptions): Promise<void> {
  const sinceMs = partition.timeMs() - partition.topic.settings.hardRetentionAgeMs;
  for (const lane of partition.lanes) {
    const below = await firstSince(lane.log, sinceMs);
    if (below > lane.log.firstOffset) {
      await skipIn(partition, lane, { ...options, below });
    }
  }
}

async function skipIn(
  partition: Partition,
  { number: lane }: Lane,
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
