import {
  type CallLimits,
  type Chain,
  type Cluster,
  type Environment,
  PendingMessage,
  type PublishOutcome,
} from '@hermes/client/cluster';
import {
  Durability,
  HermesError,
  invalidField,
  LIMITS,
  messageError,
  type PublishResponse,
  type PublishResult,
  type RawPublishRequest,
  scanMessage,
  toStatus,
} from '@hermes/contracts';
import { validatePublish } from './validate.js';

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
 * nothing queued, what is wrong with the request as a whole.
 */
export async function append(deps: AppendDeps, request: RawPublishRequest, options: AppendOptions): Promise<Append> {
  validatePublish(request);
  const { topic } = request;
  const count = deps.cluster.router.partitionsOf(topic) ?? (await deps.cluster.partitionsOf(topic, options.limits));
  if (request.partition !== undefined && request.partition >= count) {
    throw invalidField('partition', `0 to ${count - 1}`);
  }
  const collector = new Collector(request.messages.length);
  for (const [index, message] of request.messages.entries()) {
    const scanned = scanMessage(message, MESSAGE_LIMITS);
    if (scanned.kind !== 'ok') {
      collector.set(index, messageError(scanned, index));
      continue;
    }
    const { publisher } = deps.cluster;
    const partition = request.partition ?? scanned.partition(count) ?? publisher.nextPartition(topic, count);
    await enqueue(
      deps,
      {
        topic,
        partition,
        message,
        settle: (outcome) => {
          collector.set(index, outcome);
        },
      },
      options,
    );
  }
  return { outcomes: collector.all };
}

interface Item {
  readonly topic: string;
  readonly partition: number;
  readonly message: Uint8Array;
  readonly settle: (outcome: PublishOutcome) => void;
}

async function enqueue(
  { cluster, environment }: AppendDeps,
  item: Item,
  { limits, wait, chain }: AppendOptions,
): Promise<void> {
  const queue = cluster.publisher.queue(item.topic, item.partition);
  const bytes = item.message.length;
  if (!queue.budget.tryTake(bytes)) {
    try {
      if (!wait) {
        throw new HermesError('BACKPRESSURE', `${item.topic}/${item.partition}: too much waits for its owner`);
      }
      await queue.budget.take(bytes, limits, environment);
    } catch (error) {
      if (chain !== undefined) {
        chain.failed ??= error as HermesError;
      }
      item.settle(error as HermesError);
      return;
    }
  }
  const settle = (outcome: PublishOutcome): void => {
    queue.budget.give(bytes);
    item.settle(outcome);
  };
  queue.push(new PendingMessage(item.message, limits.deadlineAtMs, settle, chain));
}

/** The response that tells the outcomes. */
export function responseOf(outcomes: readonly PublishOutcome[]): PublishResponse {
  return { results: outcomes.map(resultOf) };
}

function resultOf(outcome: PublishOutcome): PublishResult {
  if (outcome instanceof HermesError) {
    const error = { $case: 'error', value: toStatus(outcome) } as const;
    return { outcome: error, durability: Durability.UNSPECIFIED, duplicate: false };
  }
  const { messageId, scheduleId, durability, duplicate } = outcome;
  const id =
    scheduleId === undefined
      ? ({ $case: 'messageId', value: messageId ?? '' } as const)
      : ({ $case: 'scheduleId', value: scheduleId } as const);
  return { outcome: id, durability, duplicate };
}

/** Gathers outcomes by index. */
class Collector {
  readonly all: Promise<readonly PublishOutcome[]>;
  readonly #outcomes: PublishOutcome[];
  #missing: number;
  #resolve!: (outcomes: readonly PublishOutcome[]) => void;

  constructor(count: number) {
    this.#outcomes = new Array<PublishOutcome>(count);
    this.#missing = count;
    this.all = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  set(index: number, outcome: PublishOutcome): void {
    this.#outcomes[index] = outcome;
    this.#missing -= 1;
    if (this.#missing === 0) {
      this.#resolve(this.#outcomes);
    }
  }
}
