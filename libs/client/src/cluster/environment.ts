import { type Clock, type Random, systemClock, systemRandom, systemTimers, type Timers } from '@hermes/runtime';

/** Time and chance, passed in so that tests decide them. */
export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** The machine's. */
export const systemEnvironment: Environment = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** How long a call may take, on the monotonic clock, and whether its caller still wants it. */
export interface CallLimits {
  readonly deadlineAtMs: number;
  readonly signal?: AbortSignal;
}
