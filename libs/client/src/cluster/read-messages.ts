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
import { READ_MESSAGES } from './methods.js';

/** A read that an owner cut short finds the next one within this. */
const RECONNECT_MS = 10_000;

/**
 * Reads one partition at its owner. If the owner changes, it goes on behind the last message that came, which lanes
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
      if (error.code !== 'NOT_OWNER' && error.code !== 'DRAINING' && error.code !== 'PARTITION_MOVING') {
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
  const readers = partitions.map((partition) => readPartition(deps, request, partition, { ...limits, signal }));
  const next = new Map(readers.map((reader) => [reader, advance(reader)]));
  let left = request.limit > 0 ? request.limit : Infinity;
  try {
    while (next.size > 0 && left > 0) {
      const { reader, result } = await Promise.race(next.values());
      if (result.done === true) {
        next.delete(reader);
        continue;
      }
      next.set(reader, advance(reader));
      const messages = result.value.messages.slice(0, left);
      left -= messages.length;
      yield { messages };
    }
  } finally {
    stop.abort();
    for (const pending of next.values()) {
      pending.catch(() => undefined);
    }
  }
}

type Reader = AsyncGenerator<RawReadMessagesResponse>;

async function advance(reader: Reader): Promise<{ reader: Reader; result: IteratorResult<RawReadMessagesResponse> }> {
  return { reader, result: await reader.next() };
}
