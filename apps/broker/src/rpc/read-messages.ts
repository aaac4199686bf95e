import {
  HermesError,
  invalidField,
  LIMITS,
  notImplemented,
  type Position,
  PositionEdge,
  type RawReadMessagesResponse,
  type RawStoredMessage,
  type ReadMessagesRequest,
  storedMessageFieldBytes,
  timestampToMs,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { type RecordBlock } from '@hermes/log';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { type Lane } from '../partition/lane.js';
import { type Partition } from '../partition/partition.js';
import { storeFailure } from './store-failure.js';

/** Messages of one frame, whatever their size: keeps a turn of the event loop short. */
const FRAME_MESSAGES_MAX = 1_000;

/** One lane that is read, and how far. */
interface Cursor {
  readonly partition: Partition;
  readonly lane: Lane;
  next: number;
  /** Exclusive; undefined: no end. */
  readonly end: number | undefined;
}

/** Refuses what is wrong with a request whatever the topic is. Throws HermesError. */
export function checkReadMessages(request: ReadMessagesRequest): void {
  if (Buffer.byteLength(request.filter) > LIMITS.filterBytes) {
    throw invalidField('filter', `at most ${LIMITS.filterBytes} bytes`);
  }
  if (request.limit < 0) {
    throw invalidField('limit', 'not negative');
  }
  if (request.partitions.length > LIMITS.partitions.max) {
    throw invalidField('partitions', `at most ${LIMITS.partitions.max}`);
  }
  checkPosition('start', request.start);
  checkPosition('end', request.end);
  const [start, end] = [request.start?.kind, request.end?.kind];
  if (start?.$case === 'offset' && end?.$case === 'offset' && laneKey(start.value) !== laneKey(end.value)) {
    throw invalidField('end', 'the same lane as start');
  }
  if (request.filter !== '') {
    throw notImplemented('filter');
  }
}

/** Refuses offsets in places that the topic lacks, or that are not read: nothing would come, and nobody know why. */
export function checkPlaces(
  { start, end, partitions }: ReadMessagesRequest,
  topic: { readonly partitions: number; readonly lanes: number },
): void {
  for (const [field, position] of Object.entries({ start, end })) {
    if (position?.kind?.$case === 'offset') {
      const { partition, lane } = position.kind.value;
      if (partition >= topic.partitions || (partitions.length > 0 && !partitions.includes(partition))) {
        const known = partitions.length > 0 ? 'one of partitions' : `0 to ${topic.partitions - 1}`;
        throw invalidField(`${field}.offset.partition`, known);
      }
      if (lane >= topic.lanes) {
        throw invalidField(`${field}.offset.lane`, `0 to ${topic.lanes - 1}`);
      }
    }
  }
}

/**
 * Reads stored messages in offset order per lane and changes nothing. One frame is made at a time and none while the
 * caller does not read, so it holds a frame and a page, whatever the log's length.
 */
export async function readMessages(
  request: ReadMessagesRequest,
  partitions: readonly Partition[],
  stream: ResponseStream<RawReadMessagesResponse>,
): Promise<void> {
  const cursors = await allCursors(request, partitions);
  const watch = watchAppends(partitions, stream.signal);
  let left = request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit;
  try {
    while (left > 0) {
      const messages = await nextFrame(cursors, left);
      if (messages === undefined && !(request.follow && cursors.some(isOpenEnded))) {
        return;
      }
      left -= messages?.length ?? 0;
      await (messages === undefined ? watch.appended() : send(stream, messages));
    }
  } catch (error) {
    throw storeFailure(error);
  } finally {
    watch.stop();
  }
}

async function send(stream: ResponseStream<RawReadMessagesResponse>, messages: RawStoredMessage[]): Promise<void> {
  if (!stream.write({ messages })) {
    await stream.drained();
  }
}

/** Messages of the first lane that has any; undefined if all are read to their ends. */
async function nextFrame(cursors: Cursor[], left: number): Promise<RawStoredMessage[] | undefined> {
  for (const [index, cursor] of cursors.entries()) {
    const messages = await readOn(cursor, Math.min(left, FRAME_MESSAGES_MAX));
    if (messages.length > 0) {
      if (cursor.end === undefined) {
        // Lanes that are followed take turns; without an end none would ever be through.
        cursors.push(...cursors.splice(index, 1));
      }
      return messages;
    }
  }
  return undefined;
}

async function readOn(cursor: Cursor, maxMessages: number): Promise<RawStoredMessage[]> {
  const { partition, lane } = cursor;
  const messages: RawStoredMessage[] = [];
  while (messages.length === 0 && cursor.next < Math.min(cursor.end ?? Infinity, lane.log.nextOffset)) {
    if (!partition.isServing) {
      throw new HermesError('PARTITION_MOVING', `partition ${partition.number} is being moved`);
    }
    const bounds = { maxRecords: maxMessages, maxBytes: LIMITS.frameBytes };
    const block = await partition.read(lane, cursor.next, bounds);
    cursor.next = takeMessages(block, cursor, messages);
  }
  return messages;
}

/** Fills a frame from the block; gives the offset to go on at. */
function takeMessages(block: RecordBlock, { lane, end }: Cursor, messages: RawStoredMessage[]): number {
  let bytes = 0;
  for (let index = 0; index < block.count; index += 1) {
    const offset = block.offset(index);
    if (end !== undefined && offset >= end) {
      return end;
    }
    const stored: RawStoredMessage = {
      messageId: `${lane.idPrefix.toString('latin1')}${offset}`,
      message: block.record(index),
      publishedAtMs: Math.floor(block.appendedAtMs(index)),
    };
    bytes += storedMessageFieldBytes(stored);
    if (bytes > LIMITS.frameBytes && messages.length > 0) {
      return offset;
    }
    messages.push(stored);
  }
  return block.nextOffset;
}

async function allCursors(request: ReadMessagesRequest, partitions: readonly Partition[]): Promise<Cursor[]> {
  const cursors: Cursor[] = [];
  try {
    for (const partition of partitions) {
      for (const lane of partition.lanes) {
        cursors.push(...(await cursorsOf(request, partition, lane)));
      }
    }
  } catch (error) {
    throw storeFailure(error);
  }
  return cursors;
}

async function cursorsOf(request: ReadMessagesRequest, partition: Partition, lane: Lane): Promise<Cursor[]> {
  const named = [request.start?.kind, request.end?.kind].find((kind) => kind?.$case === 'offset');
  const key = laneKey({ partition: partition.number, lane: lane.number });
  if (named?.$case === 'offset' && laneKey(named.value) !== key) {
    return [];
  }
  const { firstOffset, nextOffset } = lane.log;
  const next = (await offsetOf(request.start, lane)) ?? firstOffset;
  if (next < firstOffset || next > nextOffset) {
    throw new HermesError('OFFSET_OUT_OF_RANGE', `${key} has offsets ${firstOffset} to ${nextOffset}`, {
      details: { earliest: String(firstOffset), latest: String(nextOffset) },
    });
  }
  const end = (await offsetOf(request.end, lane)) ?? (request.follow ? undefined : nextOffset);
  return [{ partition, lane, next, end }];
}

async function offsetOf(position: Position | undefined, { log }: Lane): Promise<number | undefined> {
  switch (position?.kind?.$case) {
    case 'edge':
      return position.kind.value === PositionEdge.EARLIEST ? log.firstOffset : log.nextOffset;
    case 'time':
      return log.offsetAt(timestampToMs(position.kind.value) ?? 0);
    case 'offset':
      return position.kind.value.offset;
    case 'shift':
    case undefined:
      return undefined;
  }
}

function checkPosition(field: string, position: Position | undefined): void {
  if (position !== undefined) {
    const problem = position.kind === undefined ? 'edge, time or offset' : problemOf(position.kind);
    if (problem !== undefined) {
      throw invalidField(field, problem);
    }
  }
}

function problemOf(kind: NonNullable<Position['kind']>): string | undefined {
  switch (kind.$case) {
    case 'edge':
      return kind.value === PositionEdge.EARLIEST || kind.value === PositionEdge.LATEST
        ? undefined
        : 'an edge that is EARLIEST or LATEST';
    case 'time':
      return timestampToMs(kind.value) === undefined ? 'a valid timestamp' : undefined;
    case 'offset':
      return kind.value.partition < 0 || kind.value.lane < 0 ? 'a partition and a lane, not negative' : undefined;
    case 'shift':
      return 'edge, time or offset; shift is for Seek';
  }
}

function laneKey({ partition, lane }: { readonly partition: number; readonly lane: number }): string {
  return `${partition}/${lane}`;
}

function isOpenEnded(cursor: Cursor): boolean {
  return cursor.end === undefined;
}

/** Resolves at the next append, or a partition's end; rejects when the call ends. Appends between two waits count. */
function watchAppends(
  partitions: readonly Partition[],
  signal: AbortSignal,
): { appended(): Promise<void>; stop(): void } {
  let happened = false;
  let waiting: Deferred<void> | undefined;
  const wake = (): void => {
    happened = true;
    waiting?.resolve();
  };
  const onAbort = (): void => {
    waiting?.reject(signal.reason as Error);
  };
  const stops = partitions.map((partition) => partition.watch(wake));
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    async appended() {
      if (!happened) {
        waiting = createDeferred();
        if (signal.aborted) {
          onAbort();
        }
        await waiting.promise;
      }
      happened = false;
      const gone = partitions.find((partition) => !partition.isServing);
      if (gone !== undefined) {
        throw new HermesError('PARTITION_MOVING', `partition ${gone.number} is being moved`);
      }
    },
    stop() {
      signal.removeEventListener('abort', onAbort);
      for (const stop of stops) {
        stop();
      }
    },
  };
}
