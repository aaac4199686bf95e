import { CancelScheduleResponse } from '@hermes/contracts';
import { show } from '../output.js';
import { type Session } from '../session.js';

/** hermes cancel ID */
export async function cancel(session: Session, scheduleId: string): Promise<void> {
  const response = await session.unary<CancelScheduleResponse>((metadata, options, done) =>
    session.messaging.cancelSchedule({ scheduleId }, metadata, options, done),
  );
  await show(session, response, CancelScheduleResponse, () => [`${scheduleId} is withdrawn`]);
}
