import {
  durationToMs,
  invalidField,
  LIMITS,
  notImplemented,
  type RetryPolicy,
  type RetryPolicy_Exponential,
} from '@hermes/contracts';

import { boundedDuration, boundedInt } from './field-check.js';

/** A retry waits at least a millisecond and at most as long as a NACK may ask for. */
const DELAY_MS = { min: 1, max: LIMITS.nackDelayMs };
/** Beyond this growth the second wait is the longest one anyway. */
const MULTIPLIER_MAX = 1_000;

/** A policy with its defaults filled in. INVALID_FIELD; NOT_IMPLEMENTED for all kinds but exponential. */
export function filledRetryPolicy(field: string, given: RetryPolicy | undefined): RetryPolicy {
  const { kind, maxAttempts } = given ?? {};
  const filled = { maxAttempts: boundedInt(`${field}.max_attempts`, maxAttempts, LIMITS.maxAttempts) };
  switch (kind?.$case) {
    case undefined:
    case 'exponential': {
      const value = filledExponential(`${field}.exponential`, kind?.value ?? { multiplier: 0 });
      return { ...filled, kind: { $case: 'exponential', value } };
    }
    case 'fixed':
      boundedDuration(`${field}.fixed.delay`, kind.value.delay, { ...DELAY_MS, default: LIMITS.retryInitialMs });
      throw notImplemented('RetryPolicy.fixed');
    case 'list':
      checkList(`${field}.list.delays`, kind.value.delays);
      throw notImplemented('RetryPolicy.list');
    case 'none':
      throw notImplemented('RetryPolicy.none');
  }
}

function filledExponential(field: string, given: RetryPolicy_Exponential): RetryPolicy_Exponential {
  const initial = boundedDuration(`${field}.initial`, given.initial, { ...DELAY_MS, default: LIMITS.retryInitialMs });
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

function checkList(field: string, delays: readonly Parameters<typeof durationToMs>[0][]): void {
  if (delays.length >= LIMITS.maxAttempts.max) {
    throw invalidField(field, `at most ${LIMITS.maxAttempts.max - 1} delays`);
  }
  for (const [index, delay] of delays.entries()) {
    boundedDuration(`${field}[${index}]`, delay, { ...DELAY_MS, default: LIMITS.retryInitialMs });
  }
}
