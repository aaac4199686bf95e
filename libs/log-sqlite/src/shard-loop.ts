import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

import { StoreError } from '@hermes/log';
import { invariant } from '@hermes/runtime';

import { type DirectoryLock, lockDirectory } from './directory-lock.js';
import type { PackedPage } from './lane-table.js';
import { recordBytes, Shard } from './shard.js';
import { openShardFile } from './shard-file.js';
import type {
  CallRequest,
  ErrorAnswer,
  OpenAnswer,
  ShardAnswer,
  ShardMessage,
  ShardRequest,
  WriteRequest,
} from './shard-protocol.js';
import { sqliteFault } from './sqlite-fault.js';

/** Calls that read of one open partition. */
type ReadName =
  | ('read' | 'offsetAt' | 'groupIds' | 'load' | 'counts' | 'retryRecord' | 'deadLetters' | 'deadLettersByAge')
  | ('promotedFrom' | 'identifiedFrom' | 'producers')
  | ScheduleReadName;
type ScheduleReadName = 'readSchedule' | 'hasSchedule' | 'scheduleCounts' | 'identifiedSchedules';

const WRITES: ReadonlySet<ShardRequest['op']> = new Set<WriteRequest['op']>([
  'append',
  'commit',
  'schedule',
  'saveProducers',
  'truncate',
]);

/** Bytes of one transaction, or one batch: bounds what a fault takes back and how long a reader waits. */
const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024;

/** Calls between two transactions, a page of at most 1 MiB each. */
const CALLS_PER_TURN = 4;

/** While there is always other work a sweep gets each such turn. */
const TURNS_PER_SWEEP = 16;

/**
 * The loop of a shard's thread. Each turn takes everything that waits: the writes of all partitions go into one
 * transaction and one fsync, then some reads follow, then what is to be tidied.
 */
export class ShardLoop {
  readonly #port: MessagePort;
  #shard: Shard | undefined;
  #lock: DirectoryLock | undefined;
  #writes: WriteRequest[] = [];
  #calls: CallRequest[] = [];
  #turns = 0;
  #stopped = false;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  start(): void {
    this.#port.on('message', (request: ShardRequest) => {
      this.#take(request);
      try {
        this.#run();
      } catch (error) {
        // Nothing that was under way is answered: its outcome is not known, and the process ends.
        this.#stopped = true;
        this.#post({ fatal: errorAnswer(error) }, []);
      }
    });
  }

  #run(): void {
    do {
      this.#drain();
      this.#turns += 1;
      this.#write();
      this.#call();
      this.#tidy();
    } while (!this.#stopped && (this.#hasWaiting() || (this.#shard?.sweeper.hasWork ?? false)));
  }

  #hasWaiting(): boolean {
    return this.#writes.length > 0 || this.#calls.length > 0;
  }

  #drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: ShardRequest } | undefined;
      if (received === undefined) {
        return;
      }
      this.#take(received.message);
    }
  }

  #take(request: ShardRequest): void {
    if (isWrite(request)) {
      this.#writes.push(request);
    } else {
      this.#calls.push(request);
    }
  }

  #write(): void {
    const requests = this.#nextTransaction();
    if (requests.length === 0) {
      return;
    }
    const answers = this.#opened().write(requests);
    const buffers: ArrayBuffer[] = [];
    const posted = requests.map((request, index): ShardAnswer => {
      if (request.op !== 'append') {
        return { id: request.id, answer: answers[index] };
      }
      buffers.push(request.buffer);
      return { id: request.id, answer: answers[index], buffer: request.buffer };
    });
    this.#post({ answers: posted }, buffers);
  }

  #nextTransaction(): WriteRequest[] {
    let bytes = 0;
    let taken = 0;
    for (const request of this.#writes) {
      bytes += recordBytes(request);
      if (taken > 0 && bytes > TRANSACTION_BYTES_MAX) {
        break;
      }
      taken += 1;
    }
    return this.#writes.splice(0, taken);
  }

  #call(): void {
    for (const request of this.#calls.splice(0, CALLS_PER_TURN)) {
      try {
        this.#answer(request);
      } catch (error) {
        const fault = sqliteFault(error, request.op);
        if (fault.kind === 'fatal') {
          throw fault;
        }
        this.#post({ answers: [{ id: request.id, error: errorAnswer(fault) }] }, []);
      }
    }
  }

  #answer(request: CallRequest): void {
    if (request.op === 'remove') {
      this.#remove(request);
      return;
    }
    const answer = this.#perform(request);
    const buffers = request.op === 'read' ? [(answer as PackedPage).buffer] : [];
    this.#post({ answers: [{ id: request.id, answer }] }, buffers);
  }

  #perform(request: Exclude<CallRequest, { op: 'remove' }>): unknown {
    switch (request.op) {
      case 'lock':
        this.#lock = lockDirectory(request.path);
        return undefined;
      case 'openFile':
        this.#shard = new Shard(openShardFile(request.path));
        return undefined;
      case 'open':
        return this.#open(request);
      case 'release':
        this.#opened().release(request.session);
        return undefined;
      case 'settings':
        return this.#opened().settings();
      case 'partitions':
        return this.#opened().partitions();
      case 'stop':
        this.#stop();
        return undefined;
      default:
        return this.#read(request);
    }
  }

  #read(request: Extract<CallRequest, { op: ReadName }>): unknown {
    const shard = this.#opened();
    const session = shard.session(request.session);
    switch (request.op) {
      case 'read': {
        const { table, nextOffset } = session.lane(request.lane);
        return table.read(request.from, nextOffset, request.bounds);
      }
      case 'offsetAt': {
        const { table, firstOffset, nextOffset } = session.lane(request.lane);
        return table.offsetAt(request.timeMs, firstOffset, nextOffset);
      }
      case 'groupIds':
        return shard.groups.groupIds(session);
      case 'load':
        return shard.groups.load(session, request.groupId);
      case 'counts':
        return shard.groups.counts(session, request.groupId);
      case 'retryRecord':
        return shard.groups.retryRecord(session, request.groupId, request);
      case 'deadLetters':
        return shard.groups.deadLetters(session, request.groupId, request.range);
      case 'deadLettersByAge':
        return shard.groups.deadLettersByAge(session, request.groupId, request.range);
      case 'promotedFrom':
        return session.lane(request.lane).table.promotedFrom(request.offset);
      case 'identifiedFrom':
        return session.lane(request.lane).table.identifiedFrom(request.offset, request.maxRecords);
      case 'producers':
        return shard.partitionTables.producers(session);
      default:
        return this.#readSchedules(request);
    }
  }

  #readSchedules(request: Extract<CallRequest, { op: ScheduleReadName }>): unknown {
    const { schedules } = this.#opened();
    const session = this.#opened().session(request.session);
    switch (request.op) {
      case 'readSchedule':
        return schedules.read(session, request.range);
      case 'hasSchedule':
        return schedules.has(session, request.scheduleId);
      case 'scheduleCounts':
        return schedules.counts(session);
      case 'identifiedSchedules':
        return schedules.identifiedFrom(session, request);
    }
  }

  #open({ request, nowMs }: Extract<CallRequest, { op: 'open' }>): OpenAnswer {
    const result = this.#opened().open(request, nowMs);
    if (result.kind !== 'opened') {
      return result;
    }
    const lanes = result.session.lanes.map(({ table, firstOffset, nextOffset, lastAppendedAtMs }) => ({
      firstOffset,
      nextOffset,
      lastAppendedAtMs,
      sizeBytes: table.estimateBytes(firstOffset, nextOffset),
    }));
    const { sessionId: session, receiptKey, nextScheduleId, promotionMarks } = result;
    return { kind: 'opened', session, receiptKey, nextScheduleId, promotionMarks, lanes };
  }

  #remove(request: Extract<CallRequest, { op: 'remove' }>): void {
    this.#opened().sweeper.addRemoval(request, (fault) => {
      const answer = fault === undefined ? { answer: undefined } : { error: errorAnswer(fault) };
      this.#post({ answers: [{ id: request.id, ...answer }] }, []);
    });
  }

  #tidy(): void {
    const shard = this.#shard;
    if (shard === undefined) {
      return;
    }
    if (shard.wantsCheckpoint) {
      shard.checkpoint();
    }
    if (!this.#hasWaiting() || this.#turns % TURNS_PER_SWEEP === 0) {
      shard.sweeper.step();
    }
  }

  #stop(): void {
    this.#stopped = true;
    this.#shard?.close();
    this.#shard = undefined;
    this.#lock?.release();
    this.#port.unref();
  }

  #opened(): Shard {
    invariant(this.#shard !== undefined, 'the shard file is open');
    return this.#shard;
  }

  #post(message: ShardMessage, buffers: ArrayBuffer[]): void {
    this.#port.postMessage(message, buffers);
  }
}

function isWrite(request: ShardRequest): request is WriteRequest {
  return WRITES.has(request.op);
}

function errorAnswer(error: unknown): ErrorAnswer {
  if (error instanceof StoreError) {
    return { kind: error.kind, message: error.message, details: error.details };
  }
  return {
    kind: 'fatal',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    details: {},
  };
}
