import { type CallLimits, type Environment } from '@hermes/client/cluster';
import { LIMITS } from '@hermes/contracts';
import { type Call } from '@hermes/kit';

/** Left of the caller's deadline for the answer to reach it: a tenth, at most this. */
const ANSWER_MARGIN_MS = 100;

/** What a unary call leaves to the calls that are made for it: a deadline that its caller chose counts as it is. */
export function limitsOf(call: Call, environment: Environment): CallLimits {
  return limitsWithin(call.deadlineMs, call, environment);
}

/** The same for one step of a stream, which has no deadline of its own: at most `maxMs` from now. */
export function stepLimitsOf(
  stream: Call,
  environment: Environment,
  maxMs: number = LIMITS.serverDeadlineMs,
): CallLimits {
  return limitsWithin(Math.min(stream.deadlineMs, maxMs), stream, environment);
}

function limitsWithin(leftMs: number, { signal }: Call, { clock }: Environment): CallLimits {
  const marginMs = Math.min(ANSWER_MARGIN_MS, leftMs / 10);
  return { deadlineAtMs: clock.monotonicMs() + leftMs - marginMs, signal };
}
