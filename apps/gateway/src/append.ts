import {
  type CallLimits,
  type Chain,
  type Cluster,
  type Environment,
  type PublishOutcome,
  type PublishQueue,
} from '@hermes/client/cluster';
import {
  atIndex,
  checkPublishRequest,
  Durability,
  HermesError,
  identityOf,
  invalidField,
  LIMITS,
  messageError,
  type PublishResponse,
  type PublishResult,
  type RawPublishRequest,
  scanMessage,
  toStatus,
} from '@hermes/contracts';
import { Outcomes } from './outcomes.js';

/** The gateway knows no topic's own limits: it checks the contract's, the owner the rest. */
const MESSAGE_LIMITS = { maxBodyBytes: LIMITS.bodyBytes.max, priorityLevels: LIMITS.priorityLevels.max };

/** What appending needs. */
export interface AppendDeps {
  readonly cluster: Cluster;
  readonly environment: Environment;
}

/** How the messages of a request are queued. */
export interface AppendOptions {
  readonly limits: CallLimits;
  /** True: wait for room in the queues (a stream). False: a message without room fails with BACKPRESSURE. */
  readonly wait: boolean;
  readonly chain?: Chain;
}

/** A request on its way. */
export interface Append {
  /** One outcome per message, in order, once all are there. Never rejects. */
  readonly outcomes: Promise<readonly PublishOutcome[]>;
}

/**
 * Queues the messages of one request for their partitions' owners; resolves once all are queued. Throws, with
 * nothing queued, what is wrong with the request as a whole. When the caller leaves, what was not sent is given up.
 */
export async function append(deps: AppendDeps, request: RawPublishRequest, options: AppendOptions): Promise<Append> {
  checkPublishRequest(request);
  const { topic } = request;
  const { publisher, router } = deps.cluster;
  const count = router.partitionsOf(topic) ?? (await deps.cluster.partitionsOf(topic, options.limits));
  if (request.partition !== undefined && (request.partition < 0 || request.partition >= count)) {
    throw invalidField('partition', `0 to ${count - 1}`);
  }
  const outcomes = new Outcomes(request.messages.length, options.limits.signal);
  for (const [index, message] of request.messages.entries()) {
    const scanned = scanMessage(message, MESSAGE_LIMITS);
    if (scanned.kind !== 'ok') {
      outcomes.settle(index, messageError(scanned, index));
      continue;
    }
    const partition = request.partition ?? scanned.partition(count) ?? publisher.nextPartition(topic, count);
    const queue = publisher.queue(topic, partition);
    if (!queue.budget.tryTake(message.length)) {
      const refusal = await roomFor(queue, message.length, deps, options);
      if (refusal !== undefined) {
        outcomes.settle(index, refusal);
        continue;
      }
    }
    const identity = identityOf(request, index);
    const isKeyed = scanned.idempotencyKey !== undefined;
    const pending = outcomes.expect(index, message, queue, { ...options, identity, isKeyed });
    if (pending.state === 'waiting') {
      queue.push(pending);
    }
  }
  return { outcomes: outcomes.all };
}

/** Waits for room, if it may; gives why there is none. */
async function roomFor(
  queue: PublishQueue,
  bytes: number,
  { environment }: AppendDeps,
  { limits, wait, chain }: AppendOptions,
): Promise<HermesError | undefined> {
  if (!wait) {
    return new HermesError('BACKPRESSURE', 'too much waits for the owner of the partition');
  }
  try {
    await queue.budget.take(bytes, limits, environment);
    return undefined;
  } catch (error) {
    if (chain !== undefined) {
      chain.failed ??= error as HermesError;
    }
    return error as HermesError;
  }
}

/** The response that tells the outcomes. */
export function responseOf(outcomes: readonly PublishOutcome[]): PublishResponse {
  return { results: outcomes.map(resultOf) };
}

function resultOf(outcome: PublishOutcome, index: number): PublishResult {
  if (outcome instanceof HermesError) {
    const error = { $case: 'error', value: toStatus(atIndex(outcome, index)) } as const;
    return { outcome: error, durability: Durability.UNSPECIFIED, duplicate: false };
  }
  const { messageId, scheduleId, durability, duplicate } = outcome;
  const id =
    scheduleId === undefined
      ? ({ $case: 'messageId', value: messageId ?? '' } as const)
      : ({ $case: 'scheduleId', value: scheduleId } as const);
  return { outcome: id, durability, duplicate };
}
