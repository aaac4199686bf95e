import {
  fromServiceError,
  HermesError,
  invalidField,
  MessagingServiceService,
  parseScheduleId,
} from '@hermes/contracts';
import { atOwner, type RoutingDeps } from './call-owner.js';
import { type CallLimits } from './environment.js';
import { failureOf } from './failure.js';

/**
 * Withdraws a scheduled message at its partition's owner. SCHEDULE_NOT_FOUND if it does not wait any more;
 * OUTCOME_UNKNOWN if that is so after an attempt that may have withdrawn it.
 */
export async function cancelSchedule(deps: RoutingDeps, scheduleId: string, limits: CallLimits): Promise<void> {
  const id = parseScheduleId(scheduleId);
  if (id === undefined) {
    throw invalidField('schedule_id', 'the schedule_id of a publish');
  }
  const { topic, partition } = id;
  let mayBeDone = false;
  await atOwner(deps, { topic, partition }, limits, async (endpoint) => {
    try {
      await deps.channels.unary(endpoint, MessagingServiceService.cancelSchedule, { scheduleId }, limits);
    } catch (thrown) {
      const error = fromServiceError(thrown);
      if (mayBeDone && error.code === 'SCHEDULE_NOT_FOUND') {
        const cause = { cause: error };
        throw new HermesError(
          'OUTCOME_UNKNOWN',
          `${scheduleId} does not wait any more: withdrawn, or delivered`,
          cause,
        );
      }
      mayBeDone ||= failureOf(error) === 'unknown';
      throw error;
    }
  });
}
