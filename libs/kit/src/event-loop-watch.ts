import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Timers, systemTimers } from '@hermes/runtime';
import { type Logger } from './logger.js';
import { type Metrics } from './metrics.js';

/** How often the lag is looked at; also how finely it is measured, being far below what hurts a lease. */
const LOOK_EVERY_MS = 1_000;
const RESOLUTION_MS = 10;
/** A loop that is blocked this long delays heartbeats by a tenth of the default lease. */
const WARN_LAG_MS = 1_000;

/** Reports how late the event loop is: the gauge `event_loop_lag_seconds` (worst of the last second) and a warning. */
export function watchEventLoop(options: {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly timers?: Timers;
}): { stop(): void } {
  const { metrics, logger, timers = systemTimers } = options;
  const gauge = metrics.gauge('event_loop_lag_seconds', { help: 'Worst delay of the event loop in the last second.' });
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const look = (): void => {
    const lagMs = Math.max(0, delays.max / 1e6 - RESOLUTION_MS);
    delays.reset();
    gauge.set(lagMs / 1000);
    if (lagMs > WARN_LAG_MS) {
      logger.warn({ lagMs: Math.round(lagMs) }, 'the event loop was blocked');
    }
    cancel = timers.after(LOOK_EVERY_MS, look);
  };
  let cancel = timers.after(LOOK_EVERY_MS, look);
  delays.enable();
  return {
    stop: () => {
      cancel();
      delays.disable();
    },
  };
}
