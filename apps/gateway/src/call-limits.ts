import { type CallLimits, type Environment } from '@hermes/client/cluster';
import { LIMITS } from '@hermes/contracts';
import { type Call } from '@hermes/kit';

/** Left of the caller's deadline for the answer to reach it: a tenth, at most this. */
const ANSWER_MARGIN_MS = 100;

/** What a call leaves to the calls that are made for it. Streams give none: then `defaultMs` from now. */
export function limitsOf(
  call: Call,
  environment: Environment,
  defaultMs: number = LIMITS.serverDeadlineMs,
): CallLimits {
  const leftMs = Math.min(call.deadlineMs, defaultMs);
  const marginMs = Math.min(ANSWER_MARGIN_MS, leftMs / 10);
  return { deadlineAtMs: environment.clock.monotonicMs() + leftMs - marginMs, signal: call.signal };
}
