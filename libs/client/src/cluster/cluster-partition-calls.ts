import {
  type DescribeGroupRequest,
  type DescribeGroupResponse,
  type DescribeGroupResponse_Consumer,
  type DescribeTopicRequest,
  type DescribeTopicResponse,
  type DiscardDeadLettersRequest,
  type DiscardDeadLettersResponse,
  type GetMessageRequest,
  type GetMessageResponse,
  HermesError,
  invalidField,
  LIMITS,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  parseMessageId,
  PartitionServiceService,
  type RawReadMessagesResponse,
  type ReadMessagesRequest,
  type RedriveDeadLettersRequest,
  type RedriveDeadLettersResponse,
  type SeekRequest,
  type SeekResponse,
  type Timestamp,
  timestampToMs,
} from '@hermes/contracts';
import { type Method } from './channels.js';
import { readFromOwner, type RoutingDeps } from './call-owner.js';
import { listDeadLetters, moveDeadLetters } from './dead-letter-calls.js';
import { type CallLimits } from './environment.js';
import { partitionMoving } from './failure.js';
import { type PartitionCalls } from './partition-calls.js';
import { readPartition, readTogether } from './read-messages.js';
import { seekGroup } from './seek-group.js';

/** Reads that see different owners of a moving partition are made again, at most so often. */
const ROUNDS_MAX = 5;

interface Laned {
  readonly lanes: { readonly partition: number; readonly lane: number }[];
}

/** PartitionService over the owners of a topic's partitions, merged as the contract says. */
export class ClusterPartitionCalls implements PartitionCalls {
  readonly #deps: RoutingDeps;
  readonly #partitionsOf: (topic: string, limits: CallLimits) => Promise<number>;

  constructor(deps: RoutingDeps, partitionsOf: (topic: string, limits: CallLimits) => Promise<number>) {
    this.#deps = deps;
    this.#partitionsOf = partitionsOf;
  }

  async getMessage(request: GetMessageRequest, limits: CallLimits): Promise<GetMessageResponse> {
    const id = parseMessageId(request.messageId);
    if (id === undefined) {
      throw invalidField('message_id', 'topic/partition/lane/offset');
    }
    const { topic, partition } = id;
    if (partition >= (await this.#partitionsOf(topic, limits))) {
      throw new HermesError('MESSAGE_NOT_FOUND', `there is no message ${request.messageId}`);
    }
    const call = { method: PartitionServiceService.getMessage, request };
    return readFromOwner(this.#deps, { topic, partition }, limits, call);
  }

  async seek(request: SeekRequest, limits: CallLimits): Promise<SeekResponse> {
    return seekGroup(this.#deps, request, await this.#partitionsOf(request.topic, limits), limits);
  }

  async listDeadLetters(request: ListDeadLettersRequest, limits: CallLimits): Promise<ListDeadLettersResponse> {
    return listDeadLetters(this.#deps, request, await this.#partitionsOf(request.topic, limits), limits);
  }

  redriveDeadLetters(request: RedriveDeadLettersRequest, limits: CallLimits): Promise<RedriveDeadLettersResponse> {
    return this.#moveDeadLetters(PartitionServiceService.redriveDeadLetters, request, limits);
  }

  discardDeadLetters(request: DiscardDeadLettersRequest, limits: CallLimits): Promise<DiscardDeadLettersResponse> {
    return this.#moveDeadLetters(PartitionServiceService.discardDeadLetters, request, limits);
  }

  async describeTopic(request: DescribeTopicRequest, limits: CallLimits): Promise<DescribeTopicResponse> {
    const responses = await this.#fromAll(PartitionServiceService.describeTopic, request, limits);
    return { lanes: lanesOf(responses) };
  }

  async describeGroup(request: DescribeGroupRequest, limits: CallLimits): Promise<DescribeGroupResponse> {
    const responses = await this.#fromAll(PartitionServiceService.describeGroup, request, limits);
    return {
      lanes: lanesOf(responses),
      oldestUnsettled: earliest(responses.map(({ oldestUnsettled }) => oldestUnsettled)),
      consumers: consumersOf(responses),
    };
  }

  async *readMessages(request: ReadMessagesRequest, limits: CallLimits): AsyncIterable<RawReadMessagesResponse> {
    const partitions = selected(request, await this.#partitionsOf(request.topic, limits));
    if (request.follow) {
      yield* readTogether(this.#deps, request, partitions, limits);
      return;
    }
    let left = request.limit === 0 ? Infinity : request.limit;
    for (const partition of partitions) {
      const limit = left === Infinity ? 0 : left;
      for await (const response of readPartition(this.#deps, { ...request, limit }, partition, limits)) {
        left -= response.messages.length;
        yield response;
      }
      if (left <= 0) {
        return;
      }
    }
  }

  async #moveDeadLetters(
    method: Parameters<typeof moveDeadLetters>[1],
    request: RedriveDeadLettersRequest,
    limits: CallLimits,
  ): Promise<DiscardDeadLettersResponse> {
    const count = await this.#partitionsOf(request.topic, limits);
    return moveDeadLetters(this.#deps, method, request, { count, limits });
  }

  /** Asks owner after owner until each partition has told; answers for a partition that moved meanwhile are dropped. */
  async #fromAll<Request extends { readonly topic: string }, Response extends Laned>(
    method: Method<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response[]> {
    const { topic } = request;
    const count = await this.#partitionsOf(topic, limits);
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const responses: Response[] = [];
      const told = new Set<number>();
      for (let partition = 0; partition < count; partition += 1) {
        if (!told.has(partition)) {
          const response = await readFromOwner(this.#deps, { topic, partition }, limits, { method, request });
          const partitions = new Set(response.lanes.map((lane) => lane.partition));
          partitions.forEach((one) => told.add(one));
          responses.push(response);
        }
      }
      if (isComplete(responses, count)) {
        return responses;
      }
    }
    throw partitionMoving(topic, undefined);
  }
}

/** The partitions to read, in order: that of an offset, those asked for, or all. */
function selected({ partitions, start, end }: ReadMessagesRequest, count: number): number[] {
  if (partitions.length > LIMITS.partitions.max) {
    throw invalidField('partitions', `at most ${LIMITS.partitions.max}`);
  }
  const all = Array.from({ length: count }, (_, partition) => partition);
  const chosen = partitions.length > 0 ? [...new Set(partitions)].sort((a, b) => a - b) : all;
  if (!chosen.every((partition) => all.includes(partition))) {
    throw invalidField('partitions', `0 to ${count - 1}`);
  }
  let named: number | undefined;
  for (const [field, position] of Object.entries({ start, end })) {
    if (position?.kind?.$case === 'offset') {
      const { partition } = position.kind.value;
      if (!chosen.includes(partition)) {
        const known = partitions.length > 0 ? 'one of partitions' : `0 to ${count - 1}`;
        throw invalidField(`${field}.offset.partition`, known);
      }
      named ??= partition;
    }
  }
  return named === undefined ? chosen : [named];
}

/** True if every partition was told of exactly once. */
function isComplete(responses: readonly Laned[], count: number): boolean {
  const told = responses.flatMap(({ lanes }) => [...new Set(lanes.map(({ partition }) => partition))]);
  return told.length === count && new Set(told).size === count;
}

function lanesOf<Lane extends { readonly partition: number; readonly lane: number }>(
  responses: readonly { readonly lanes: Lane[] }[],
): Lane[] {
  return responses.flatMap(({ lanes }) => lanes).sort((a, b) => a.partition - b.partition || a.lane - b.lane);
}

function earliest(times: readonly (Timestamp | undefined)[]): Timestamp | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.sort((a, b) => (timestampToMs(a) ?? 0) - (timestampToMs(b) ?? 0))[0];
}

function consumersOf(responses: readonly DescribeGroupResponse[]): DescribeGroupResponse_Consumer[] {
  const merged = new Map<string, DescribeGroupResponse_Consumer>();
  for (const { consumer, partitions, inFlight } of responses.flatMap(({ consumers }) => consumers)) {
    const known = merged.get(consumer);
    merged.set(consumer, {
      consumer,
      partitions: [...(known?.partitions ?? []), ...partitions].sort((a, b) => a - b),
      inFlight: (known?.inFlight ?? 0) + inFlight,
    });
  }
  return [...merged.values()].sort((a, b) => (a.consumer < b.consumer ? -1 : 1));
}
