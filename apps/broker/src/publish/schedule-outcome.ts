import { formatScheduleId, HermesError } from '@hermes/contracts';
import { type Partition } from '../partition/partition.js';
import { commitFailure } from '../rpc/store-failure.js';
import { type ScheduleResult } from '../schedule/schedule-writer.js';

/** What a caller waits when too much is being scheduled. */
const RETRY_AFTER_MS = 100;

/** The public id of a schedule. */
export function scheduleIdOf(partition: Partition, number: number): string {
  return formatScheduleId({ topic: partition.topic.settings.name, partition: partition.number, number });
}

/** The public error of schedules that were not written. */
export function scheduleFailure(result: Exclude<ScheduleResult, { readonly kind: 'committed' }>): HermesError {
  switch (result.kind) {
    case 'unknown':
      return new HermesError('OUTCOME_UNKNOWN', 'the store did not tell whether the schedules are stored');
    case 'backpressure':
      return new HermesError('BACKPRESSURE', 'too many messages are being scheduled', { retryAfterMs: RETRY_AFTER_MS });
    default:
      return commitFailure(result);
  }
}
