import { HermesError, invalidField, parseScheduleId, type ScheduleId } from '@hermes/contracts';
import { type Ownership } from '../partition/ownership.js';
import { scheduleFailure } from '../publish/schedule-outcome.js';
import { servedPartition, servedTopic } from './served-partitions.js';
import { storeFailure } from './store-failure.js';

/** Withdraws a message that waits for its time. SCHEDULE_NOT_FOUND if it does not wait, or not any more. */
export async function cancelSchedule(ownership: Ownership, scheduleId: string): Promise<void> {
  const id = readScheduleId(scheduleId);
  const topic = await servedTopic(ownership, id.topic);
  const partition = await servedPartition(ownership, topic, id.partition, 'schedule_id');
  const result = await cancel();
  if (result === 'notFound') {
    throw new HermesError('SCHEDULE_NOT_FOUND', `there is no schedule ${scheduleId}, or it is too late`);
  }
  if (result.kind !== 'committed') {
    throw scheduleFailure(result);
  }

  async function cancel(): ReturnType<typeof partition.schedule.cancel> {
    try {
      return await partition.schedule.cancel(id.number);
    } catch (error) {
      throw storeFailure(error);
    }
  }
}

function readScheduleId(text: string): ScheduleId {
  const id = parseScheduleId(text);
  if (id === undefined) {
    throw invalidField('schedule_id', 'the schedule_id of a publish');
  }
  return id;
}
