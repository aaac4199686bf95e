import {
  type AckResult,
  atIndex,
  HermesError,
  invalidField,
  partitionOfReceipt,
  type RawAckEntry,
  type RawAcknowledgeRequest,
  statusToError,
  toStatus,
} from '@hermes/contracts';
import { Backoff } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type CallLimits, type Environment } from './environment.js';
import { mayRepeat, partitionMoving, retryDelayMs } from './failure.js';
import { ACKNOWLEDGE } from './methods.js';
import { routePause } from './route-pause.js';
import { type Router } from './router.js';

/** One attempt at one owner; a hung one must leave time for its successor. Settling twice does no harm. */
const ATTEMPT_MS = 4_000;
/** Left of the caller's deadline for the answer to reach it. */
const ANSWER_MARGIN_MS = 50;
const RETRY_BACKOFF = { initialMs: 20, maxMs: 1_000 };

/** What acknowledging needs. */
export interface AcknowledgeDeps {
  readonly router: Router;
  readonly channels: Channels;
  readonly environment: Environment;
}

/** Entries of one request that still have no result. */
interface Progress {
  readonly request: RawAcknowledgeRequest;
  readonly results: AckResult[];
  readonly lastErrors: (HermesError | undefined)[];
  lastError: HermesError | undefined;
  /** Failures of whole calls; if nothing but these came, the caller's call fails too. */
  callError: HermesError | undefined;
  anySettled: boolean;
}

/**
 * Settles entries at the owners of their partitions and merges the answers in order. What an owner refuses because
 * it is none any more, or never answered, is tried again until the deadline: settling may be repeated freely.
 */
export async function acknowledge(
  deps: AcknowledgeDeps,
  request: RawAcknowledgeRequest,
  limits: CallLimits,
): Promise<AckResult[]> {
  const { clock, random } = deps.environment;
  const progress: Progress = {
    request,
    results: new Array<AckResult>(request.entries.length),
    lastErrors: [],
    lastError: undefined,
    callError: undefined,
    anySettled: false,
  };
  const deadlineAtMs = limits.deadlineAtMs - ANSWER_MARGIN_MS;
  const backoff = new Backoff(RETRY_BACKOFF, random);
  let pending = request.entries.map((_, index) => index);
  for (;;) {
    pending = await attempt(deps, progress, pending, { ...limits, deadlineAtMs });
    const leftMs = deadlineAtMs - clock.monotonicMs();
    if (pending.length === 0 || leftMs <= 0) {
      break;
    }
    await routePause(deps, request.topic, Math.min(retryDelayMs(backoff, progress.lastError), leftMs), limits);
  }
  for (const index of pending) {
    fail(progress, [index], progress.lastErrors[index] ?? partitionMoving(request.topic, undefined));
  }
  if (!progress.anySettled && progress.callError !== undefined) {
    throw progress.callError;
  }
  return progress.results;
}

/** One round over the owners; gives the entries that need another. */
async function attempt(
  deps: AcknowledgeDeps,
  progress: Progress,
  pending: readonly number[],
  limits: CallLimits,
): Promise<number[]> {
  const again: number[] = [];
  const byOwner = new Map<string, number[]>();
  for (const index of pending) {
    const partition = partitionOfEntry(progress.request.entries[index]);
    const refusal = refusalOf(deps, progress.request.topic, { index, partition });
    if (refusal !== undefined) {
      progress.results[index] = { error: toStatus(refusal) };
      progress.anySettled = true;
      continue;
    }
    const endpoint = deps.router.endpointOf(progress.request.topic, partition);
    if (endpoint === undefined) {
      again.push(index);
      continue;
    }
    const indices = byOwner.get(endpoint);
    if (indices === undefined) {
      byOwner.set(endpoint, [index]);
    } else {
      indices.push(index);
    }
  }
  const calls = [...byOwner].map(([endpoint, indices]) => settleAt(deps, progress, { endpoint, indices }, limits));
  return [...again, ...(await Promise.all(calls)).flat()];
}

/** What needs no owner to be refused: there would be none to ask until the deadline. */
function refusalOf(
  { router }: AcknowledgeDeps,
  topic: string,
  { index, partition }: { readonly index: number; readonly partition: number | undefined },
): HermesError | undefined {
  const field = `entries[${index}].receipt`;
  if (partition === undefined) {
    return invalidField(field, 'a receipt as it was delivered');
  }
  const count = router.partitionsOf(topic);
  return count !== undefined && partition >= count
    ? new HermesError('NOT_ALLOWED', `${field}: no receipt of ${topic}, which has ${count} partitions`)
    : undefined;
}

/** One call to one owner; gives the entries that need another. */
async function settleAt(
  { channels, router, environment }: AcknowledgeDeps,
  progress: Progress,
  { endpoint, indices }: { endpoint: string; indices: readonly number[] },
  limits: CallLimits,
): Promise<number[]> {
  const { request } = progress;
  const entries = indices.flatMap((index) => request.entries[index] ?? []);
  const deadlineAtMs = Math.min(limits.deadlineAtMs, environment.clock.monotonicMs() + ATTEMPT_MS);
  const repeat = (index: number, error: HermesError): void => {
    progress.lastErrors[index] = error;
    progress.lastError = error;
    router.learn(request.topic, partitionOfEntry(request.entries[index]), error);
  };
  try {
    const whole = { ...request, entries };
    const { results } = await channels.unary(endpoint, ACKNOWLEDGE, whole, { ...limits, deadlineAtMs });
    return indices.filter((index, at) => {
      const error = errorOf(results[at]);
      if (error !== undefined && mayRepeat(error)) {
        repeat(index, error);
        return true;
      }
      progress.results[index] = { error: error && toStatus(atIndex(error, index)) };
      progress.anySettled = true;
      return false;
    });
  } catch (thrown) {
    const error = thrown as HermesError;
    if (limits.signal?.aborted !== true && mayRepeat(error)) {
      indices.forEach((index) => {
        repeat(index, error);
      });
      return [...indices];
    }
    fail(progress, indices, error);
    return [];
  }
}

/** The whole call failed for good, and every entry of it with the same error. */
function fail(progress: Progress, indices: readonly number[], error: HermesError): void {
  progress.callError ??= error;
  for (const index of indices) {
    progress.results[index] = { error: toStatus(error) };
  }
}

function errorOf(result: AckResult | undefined): HermesError | undefined {
  if (result === undefined) {
    return new HermesError('OUTCOME_UNKNOWN', 'the server told no outcome');
  }
  return result.error && statusToError(result.error);
}

function partitionOfEntry(entry: RawAckEntry | undefined): number | undefined {
  return entry && partitionOfReceipt(entry.receipt);
}
