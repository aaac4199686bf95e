import { type HermesError } from '@hermes/contracts';
import { Backoff } from '@hermes/runtime';
import { type Channels, type Method } from './channels.js';
import { type CallLimits, type Environment } from './environment.js';
import { mayRepeat, partitionMoving, retryDelayMs } from './failure.js';
import { routePause } from './route-pause.js';
import { type Router } from './router.js';

const RETRY_BACKOFF = { initialMs: 20, maxMs: 1_000 };
/** Left of the caller's deadline for the answer to reach it. */
const ANSWER_MARGIN_MS = 50;
/** One attempt at one owner; a hung one must leave time for its successor. */
const ATTEMPT_MS = 4_000;

/** What a re-routed call needs. */
export interface RoutingDeps {
  readonly router: Router;
  readonly channels: Channels;
  readonly environment: Environment;
}

/**
 * Runs `attempt` at the partition's owner, again at whoever is the owner then, until it succeeds, fails for good or
 * the deadline passes (PARTITION_MOVING). For calls that change nothing: what may have been done is repeated.
 */
export async function atOwner<T>(
  { router, environment }: RoutingDeps,
  target: { readonly topic: string; readonly partition: number },
  limits: CallLimits,
  attempt: (endpoint: string) => Promise<T>,
): Promise<T> {
  const { clock, random } = environment;
  const backoff = new Backoff(RETRY_BACKOFF, random);
  let last: HermesError | undefined;
  for (;;) {
    const endpoint = router.endpointOf(target.topic, target.partition);
    try {
      if (endpoint !== undefined) {
        return await attempt(endpoint);
      }
    } catch (thrown) {
      last = thrown as HermesError;
      if (limits.signal?.aborted === true || !mayRepeat(last)) {
        throw last;
      }
      router.learn(target.topic, target.partition, last);
    }
    const leftMs = limits.deadlineAtMs - ANSWER_MARGIN_MS - clock.monotonicMs();
    if (leftMs <= 0) {
      throw partitionMoving(target.topic, target.partition, last);
    }
    await routePause({ router, environment }, target.topic, Math.min(leftMs, retryDelayMs(backoff, last)), limits);
  }
}

/** `atOwner` for a unary read. */
export function readFromOwner<Request, Response>(
  deps: RoutingDeps,
  target: { readonly topic: string; readonly partition: number },
  limits: CallLimits,
  call: { readonly method: Method<Request, Response>; readonly request: Request },
): Promise<Response> {
  return atOwner(deps, target, limits, (endpoint) => {
    const attemptUntilMs = deps.environment.clock.monotonicMs() + ATTEMPT_MS;
    const deadlineAtMs = Math.min(limits.deadlineAtMs - ANSWER_MARGIN_MS, attemptUntilMs);
    return deps.channels.unary(endpoint, call.method, call.request, { ...limits, deadlineAtMs });
  });
}
