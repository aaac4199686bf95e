import { formatScheduleId, HermesError } from '@hermes/contracts';
import { commitFailure } from '../rpc/store-failure.js';
import { type ScheduleResult } from '../schedule/schedule-writer.js';
import { type ScheduleShare } from './publish-plan.js';

/** What a caller waits when too much is being scheduled. */
const RETRY_AFTER_MS = 100;

/** Stores what waits for its time; gives the ids, or why nothing of it is stored, as far as that is known. */
export async function scheduleShare({
  partition,
  entries,
}: ScheduleShare): Promise<{ readonly ids: readonly string[]; readonly error: HermesError | undefined }> {
  const { ids, result } = await partition.schedule.add(entries);
  const topic = partition.topic.settings.name;
  return {
    ids: ids.map((number) => formatScheduleId({ topic, partition: partition.number, number })),
    error: result.kind === 'committed' ? undefined : scheduleFailure(result),
  };
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
