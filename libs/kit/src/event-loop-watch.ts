import { type Clock, systemClock, systemTimers, type Timers } from '@hermes/runtime';

import { type Logger } from './logger.js';
import { type Metrics } from './metrics.js';

/** How often a timer is due; also how finely lag is measured, being far below what hurts a lease. */
const TICK_MS = 20;
const REPORT_EVERY_MS = 1_000;
/** A loop that is blocked this long delays heartbeats by a tenth of the default lease. */
const WARN_LAG_MS = 1_000;

/**
 * Reports how late the event loop is: the gauge `event_loop_lag_seconds` (worst of the last second) and a warning.
 *
 * It looks at timers of its own: `monitorEventLoopDelay` forgets, when it is reset, since when it waits, and so does not
 * see a block that begins before its next tick.
 */
export function watchEventLoop(options: {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly timers?: Timers;
}): { stop(): void } {
  const { metrics, logger, clock = systemClock, timers = systemTimers } = options;
  const gauge = metrics.gauge('event_loop_lag_seconds', { help: 'Worst delay of the event loop in the last second.' });
  let worstLagMs = 0;
  let dueMs = 0;
  let reportMs = clock.monotonicMs() + REPORT_EVERY_MS;
  let cancel = (): void => undefined;
  const arm = (): void => {
    dueMs = clock.monotonicMs() + TICK_MS;
    cancel = timers.after(TICK_MS, tick);
  };
  const tick = (): void => {
    const nowMs = clock.monotonicMs();
    worstLagMs = Math.max(worstLagMs, nowMs - dueMs);
    if (nowMs >= reportMs) {
      report();
      reportMs = nowMs + REPORT_EVERY_MS;
    }
    arm();
  };
  const report = (): void => {
    gauge.set(worstLagMs / 1000);
    if (worstLagMs > WARN_LAG_MS) {
      logger.warn({ lagMs: Math.round(worstLagMs) }, 'the event loop was blocked');
    }
    worstLagMs = 0;
  };
  arm();
  return {
    stop: () => {
      cancel();
    },
  };
}
