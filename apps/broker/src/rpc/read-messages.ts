import {
  HermesError,
  invalidField,
  LIMITS,
  type RawReadMessagesResponse,
  type RawStoredMessage,
  type ReadMessagesRequest,
  storedMessageFieldBytes,
} from '@hermes/contracts';
import { type Filter } from '@hermes/filter';
import { type ResponseStream } from '@hermes/kit';
import { type RecordBlock } from '@hermes/log';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { subjectOf } from '../filter/filter-subject.js';
import { readFilter } from '../filter/read-filter.js';
import { endOf, type Lane } from '../partition/lane.js';
import { type Partition } from '../partition/partition.js';
import { checkPosition, checkRange, laneKey, offsetOf } from './position.js';
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
  readFilter('filter', request.filter);
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
  const filter = readFilter('filter', request.filter);
  const watch = watchAppends(partitions, stream.signal);
  let left = request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit;
  try {
    while (left > 0) {
      const messages = await nextFrame(cursors, left, filter);
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
async function nextFrame(
  cursors: Cursor[],
  left: number,
  filter: Filter | undefined,
): Promise<RawStoredMessage[] | undefined> {
  for (const [index, cursor] of cursors.entries()) {
    const messages = await readOn(cursor, Math.min(left, FRAME_MESSAGES_MAX), filter);
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

async function readOn(cursor: Cursor, maxMessages: number, filter: Filter | undefined): Promise<RawStoredMessage[]> {
  const { partition, lane } = cursor;
  const messages: RawStoredMessage[] = [];
  while (messages.length === 0 && cursor.next < Math.min(cursor.end ?? Infinity, lane.log.nextOffset)) {
    if (!partition.isServing) {
      throw new HermesError('PARTITION_MOVING', `partition ${partition.number} is being moved`);
    }
    const bounds = { maxRecords: maxMessages, maxBytes: LIMITS.frameBytes };
    const block = await partition.read(lane, cursor.next, bounds);
    cursor.next = takeMessages(block, cursor, filter, messages);
  }
  return messages;
}

/** Fills a frame from the block; gives the offset to go on at. */
function takeMessages(
  block: RecordBlock,
  { lane, end }: Cursor,
  filter: Filter | undefined,
  messages: RawStoredMessage[],
): number {
  let bytes = 0;
  for (let index = 0; index < block.count; index += 1) {
    const offset = block.offset(index);
    if (end !== undefined && offset >= end) {
      return end;
    }
    if (filter !== undefined && !filter(subjectOf(block.record(index)))) {
      continue;
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
  const next = (await offsetOf(request.start, lane)) ?? lane.log.firstOffset;
  checkRange(next, { partition: partition.number, lane: lane.number }, lane);
  const end = (await offsetOf(request.end, lane)) ?? (request.follow ? undefined : await endOf(lane.log));
  return [{ partition, lane, next, end }];
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
