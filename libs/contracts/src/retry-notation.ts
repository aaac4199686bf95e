import { durationFromMs } from './duration.js';
import { type RetryPolicy } from './admin.js';
import { type Duration } from './google.js';
import { type HermesError, invalidField } from './hermes-error.js';
import { LIMITS } from './limits.js';

const SECOND_MS = 1_000;

/**
 * Reads a retry policy in the notation of the first Hermes:
 * `1:[s, …]` waits so many seconds after each attempt in turn; `2:[]` never tries again; `3:[n, ms]` tries again n
 * times, with the same wait. Throws INVALID_FIELD that says what is wrong with it.
 */
export function parseRetryPolicy(notation: string): RetryPolicy {
  const match = /^\s*(\d+)\s*:\s*\[([^\]]*)\]\s*$/.exec(notation);
  if (match === null) {
    throw refused('must look like 1:[3,60], 2:[] or 3:[5,1000]');
  }
  const [, kind = '', inside = ''] = match;
  const numbers = inside.trim() === '' ? [] : inside.split(',').map(wholeNumber);
  switch (kind) {
    case '1':
      return listed(numbers);
    case '2':
      return none(numbers);
    case '3':
      return fixed(numbers);
    default:
      throw refused(`has kinds 1 (list of seconds), 2 (none) and 3 (count and milliseconds), not ${kind}`);
  }
}

function listed(seconds: readonly number[]): RetryPolicy {
  if (seconds.length === 0 || seconds.length >= LIMITS.maxAttempts.max) {
    throw refused(`1:[…] has 1 to ${LIMITS.maxAttempts.max - 1} waits in seconds; 2:[] never tries again`);
  }
  const delays = seconds.map((each) => wait(each * SECOND_MS));
  return { kind: { $case: 'list', value: { delays } } };
}

function none(numbers: readonly number[]): RetryPolicy {
  if (numbers.length > 0) {
    throw refused('2:[] has nothing within its brackets');
  }
  return { kind: { $case: 'none', value: {} } };
}

function fixed(numbers: readonly number[]): RetryPolicy {
  const [count, delayMs] = numbers;
  if (numbers.length !== 2 || count === undefined || delayMs === undefined) {
    throw refused('3:[n,ms] has two numbers, how often and the wait in milliseconds');
  }
  if (count < 1 || count >= LIMITS.maxAttempts.max) {
    throw refused(`3:[n,ms] tries again 1 to ${LIMITS.maxAttempts.max - 1} times`);
  }
  return { kind: { $case: 'fixed', value: { delay: wait(delayMs) } }, maxAttempts: count + 1 };
}

function wholeNumber(text: string): number {
  const trimmed = text.trim();
  if (!/^\d{1,9}$/.test(trimmed)) {
    throw refused(`has whole numbers within its brackets, not "${trimmed}"`);
  }
  return Number(trimmed);
}

function wait(ms: number): Duration {
  if (ms < 1 || ms > LIMITS.nackDelayMs) {
    throw refused(`waits 1 ms to ${LIMITS.nackDelayMs} ms, not ${ms} ms`);
  }
  return durationFromMs(ms);
}

function refused(what: string): HermesError {
  return invalidField('retry', what);
}
