import { setMaxListeners } from 'node:events';
import { type ClientReadableStream } from '@grpc/grpc-js';
import {
  fromServiceError,
  parseMessageId,
  type Position,
  type RawReadMessagesResponse,
  type ReadMessagesRequest,
} from '@hermes/contracts';
import { atOwner, type RoutingDeps } from './call-owner.js';
import { type CallLimits } from './environment.js';
import { mayRepeat } from './failure.js';
import { merge } from './merge.js';
import { READ_MESSAGES } from './methods.js';

/** A read that an owner cut short finds the next one within this. */
const RECONNECT_MS = 10_000;

/**
 * Reads one partition at its owner. If that changes or breaks off, it goes on behind the last message that came, which lanes
 * make exact only where a partition has one; a lane of its own position is what the contract's `offset` is for.
 */
export async function* readPartition(
  deps: RoutingDeps,
  request: ReadMessagesRequest,
  partition: number,
  limits: CallLimits,
): AsyncGenerator<RawReadMessagesResponse> {
  const { topic } = request;
  let start: Position | undefined = request.start;
  let left = request.limit === 0 ? Infinity : request.limit;
  while (left > 0) {
    const limit = left === Infinity ? 0 : left;
    const asked: ReadMessagesRequest = { ...request, partitions: [partition], start, limit };
    const reconnectAtMs = Math.min(limits.deadlineAtMs, deps.environment.clock.monotonicMs() + RECONNECT_MS);
    const opened = await atOwner(deps, { topic, partition }, { ...limits, deadlineAtMs: reconnectAtMs }, (endpoint) =>
      firstOf(deps.channels.serverStream(endpoint, READ_MESSAGES, asked, limits)),
    );
    try {
      for (let { result } = opened; result.done !== true; result = await opened.iterator.next()) {
        const response = result.value;
        const last = response.messages.at(-1);
        left -= response.messages.length;
        start = last === undefined ? start : behind(last.messageId);
        yield response;
      }
      return;
    } catch (thrown) {
      const error = fromServiceError(thrown);
      if (limits.signal?.aborted === true || !mayRepeat(error)) {
        throw error;
      }
    } finally {
      opened.stream.cancel();
    }
  }
}

interface Opened {
  readonly stream: ClientReadableStream<RawReadMessagesResponse>;
  readonly iterator: AsyncIterator<RawReadMessagesResponse>;
  readonly result: IteratorResult<RawReadMessagesResponse>;
}

async function firstOf(stream: ClientReadableStream<RawReadMessagesResponse>): Promise<Opened> {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<RawReadMessagesResponse>;
  try {
    return { stream, iterator, result: await iterator.next() };
  } catch (error) {
    throw fromServiceError(error);
  }
}

function behind(messageId: string): Position | undefined {
  const id = parseMessageId(messageId);
  return id && { kind: { $case: 'offset', value: { partition: id.partition, lane: id.lane, offset: id.offset + 1 } } };
}

/** Reads several partitions at once, whatever comes first; ends with the limit, the signal or a failure. */
export async function* readTogether(
  deps: RoutingDeps,
  request: ReadMessagesRequest,
  partitions: readonly number[],
  limits: CallLimits,
): AsyncGenerator<RawReadMessagesResponse> {
  const stop = new AbortController();
  const signal = limits.signal === undefined ? stop.signal : AbortSignal.any([limits.signal, stop.signal]);
  setMaxListeners(0, signal); // Each partition listens.
  const readers = partitions.map((partition) => readPartition(deps, request, partition, { ...limits, signal }));
  let left = request.limit > 0 ? request.limit : Infinity;
  try {
    for await (const response of merge(readers)) {
      const messages = response.messages.slice(0, left);
      left -= messages.length;
      yield { messages };
      if (left <= 0) {
        return;
      }
    }
  } finally {
    stop.abort();
  }
}
