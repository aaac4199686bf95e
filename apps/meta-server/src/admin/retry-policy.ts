import {
  type Duration,
  durationToMs,
  invalidField,
  LIMITS,
  type RetryPolicy,
  type RetryPolicy_Exponential,
} from '@hermes/contracts';

import { boundedDuration, boundedInt } from './field-check.js';

/** A retry waits at least a millisecond and at most as long as a NACK may ask for. */
const DELAY_MS = { min: 1, max: LIMITS.nackDelayMs };
const DEFAULT_DELAY = { ...DELAY_MS, default: LIMITS.retryInitialMs };
/** Beyond this growth the second wait is the longest one anyway. */
const MULTIPLIER_MAX = 1_000;

/** A policy with its defaults filled in, `max_attempts` too where its kind implies it. INVALID_FIELD. */
export function filledRetryPolicy(field: string, given: RetryPolicy | undefined): RetryPolicy {
  const { kind, maxAttempts } = given ?? {};
  const attempts = boundedInt(`${field}.max_attempts`, maxAttempts, LIMITS.maxAttempts);
  switch (kind?.$case) {
    case undefined:
    case 'exponential': {
      const value = filledExponential(`${field}.exponential`, kind?.value ?? { multiplier: 0 });
      return { maxAttempts: attempts, kind: { $case: 'exponential', value } };
    }
    case 'fixed': {
      const delay = boundedDuration(`${field}.fixed.delay`, kind.value.delay, DEFAULT_DELAY);
      return { maxAttempts: attempts, kind: { $case: 'fixed', value: { delay } } };
    }
    case 'list': {
      const delays = filledList(`${field}.list.delays`, kind.value.delays);
      const implied = impliedAttempts(field, maxAttempts, delays.length + 1);
      return { maxAttempts: implied, kind: { $case: 'list', value: { delays } } };
    }
    case 'none':
      return { maxAttempts: impliedAttempts(field, maxAttempts, 1), kind };
  }
}

function impliedAttempts(field: string, given: number | undefined, implied: number): number {
  if (given !== undefined && given !== implied) {
    throw invalidField(`${field}.max_attempts`, `${implied}, as the list of delays says, or unset`);
  }
  return implied;
}

function filledExponential(field: string, given: RetryPolicy_Exponential): RetryPolicy_Exponential {
  const initial = boundedDuration(`${field}.initial`, given.initial, DEFAULT_DELAY);
  const initialMs = durationToMs(initial) ?? 0;
  const max = boundedDuration(`${field}.max`, given.max, {
    min: initialMs,
    max: DELAY_MS.max,
    // An initial wait above the default of the longest one is its own longest.
    default: Math.max(initialMs, LIMITS.retryMaxMs),
  });
  const multiplier = given.multiplier === 0 ? LIMITS.retryMultiplier : given.multiplier;
  if (!(multiplier >= 1 && multiplier <= MULTIPLIER_MAX)) {
    throw invalidField(`${field}.multiplier`, `1 to ${MULTIPLIER_MAX}`);
  }
  const jitter = given.jitter ?? LIMITS.retryJitter;
  if (!(jitter >= 0 && jitter <= 1)) {
    throw invalidField(`${field}.jitter`, '0 to 1');
  }
  return { initial, max, multiplier, jitter };
}

function filledList(field: string, delays: readonly Duration[]): Duration[] {
  if (delays.length === 0 || delays.length >= LIMITS.maxAttempts.max) {
    throw invalidField(field, `1 to ${LIMITS.maxAttempts.max - 1} delays`);
  }
  return delays.map((delay, index) => boundedDuration(`${field}[${index}]`, delay, DEFAULT_DELAY));
}
