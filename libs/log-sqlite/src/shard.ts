import { invariant } from '@hermes/runtime';
import { type OpenPartitionRequest, StoreError } from '@hermes/log';

import { GroupTables } from './group-tables.js';
import { type OpenContext, type OpenResult, openPartition } from './open-partition.js';
import { FencedError, type PartitionSession } from './partition-session.js';
import { type PartitionAddress, PartitionTables } from './partition-tables.js';
import { ScheduleTable } from './schedule-table.js';
import type { ShardFile } from './shard-file.js';
import type { ConnectionSettings, SessionId, WriteAnswer, WriteRequest } from './shard-protocol.js';
import { sqliteFault } from './sqlite-fault.js';
import { Sweeper } from './sweeper.js';

/** After about this many bytes written the file is checkpointed: between commits, so it bounds a stall. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024;

/** What a commit writes beside its records: a few pages per partition. */
const COMMIT_OVERHEAD_BYTES = 48 * 1024;

/** As OpenResult, with the number by which the session is called from now on. */
export type ShardOpenResult =
  | (Extract<OpenResult, { kind: 'opened' }> & { readonly sessionId: SessionId })
  | Exclude<OpenResult, { kind: 'opened' }>;

/** One shard file and what is open in it. All calls are synchronous: they belong on the shard's own thread. */
export class Shard {
  readonly #file: ShardFile;
  readonly #partitionTables: PartitionTables;
  readonly #groupTables: GroupTables;
  readonly #scheduleTable: ScheduleTable;
  readonly #sweeper: Sweeper;
  readonly #sessions = new Map<SessionId, PartitionSession>();
  #lastSession = 0;
  #uncheckpointedBytes = 0;

  constructor(file: ShardFile) {
    this.#file = file;
    this.#partitionTables = new PartitionTables(this.#file);
    this.#groupTables = new GroupTables(this.#file);
    this.#scheduleTable = new ScheduleTable(this.#file);
    this.#sweeper = new Sweeper(this.#context);
  }

  get partitionTables(): PartitionTables {
    return this.#partitionTables;
  }

  get schedules(): ScheduleTable {
    return this.#scheduleTable;
  }

  get groups(): GroupTables {
    return this.#groupTables;
  }

  get sweeper(): Sweeper {
    return this.#sweeper;
  }

  /** Fails with `closed` once the session was released. */
  session(id: SessionId): PartitionSession {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      throw new StoreError('closed', 'the partition is closed');
    }
    return session;
  }

  open(request: OpenPartitionRequest, nowMs: number): ShardOpenResult {
    this.#begin();
    const result = this.#attempt('open a partition', () => openPartition(this.#context, request, nowMs));
    if (result.kind !== 'opened') {
      this.#rollback();
      return result;
    }
    this.#attempt('commit an opening', () => {
      this.#commit(COMMIT_OVERHEAD_BYTES);
    });
    this.#lastSession += 1;
    this.#sessions.set(this.#lastSession, result.session);
    this.#sweeper.addPartition(result.session);
    return { ...result, sessionId: this.#lastSession };
  }

  release(id: SessionId): void {
    this.#sessions.delete(id);
  }

  /**
   * Writes all requests in one transaction, durably; answers are in their order. Each partition's part is under a
   * savepoint: one that is fenced or refused fails alone. Throws `fatal` when the outcome is not known.
   */
  write(requests: readonly WriteRequest[]): WriteAnswer[] {
    const parts = groupBySession(requests);
    const answers = new Map<WriteRequest, WriteAnswer>();
    let bytes = 0;
    try {
      this.#begin();
      for (const [id, part] of parts) {
        bytes += COMMIT_OVERHEAD_BYTES;
        this.#writePart(id, part).forEach((answer, index) => {
          answers.set(at(part, index), answer);
        });
      }
      for (const request of requests) {
        bytes += recordBytes(request);
      }
      this.#commit(bytes);
    } catch (error) {
      return this.#fail(requests, error);
    }
    for (const id of parts.keys()) {
      this.#sessions.get(id)?.commit();
    }
    this.#noteTruncations(requests);
    return requests.map((request) => answers.get(request) ?? { kind: 'full' });
  }

  partitions(): PartitionAddress[] {
    return this.#partitionTables.list();
  }

  /** Whether enough was written since the last checkpoint. */
  get wantsCheckpoint(): boolean {
    return this.#uncheckpointedBytes >= CHECKPOINT_BYTES;
  }

  /** Moves what is in the write-ahead log into the file. Commits need it not, so a full disk only puts it off. */
  checkpoint(): void {
    this.#uncheckpointedBytes = 0;
    try {
      this.#file.writer.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      const fault = sqliteFault(error, 'checkpoint');
      if (fault.kind !== 'full') {
        throw fault;
      }
    }
  }

  settings(): ConnectionSettings {
    const pragma = (name: string): unknown => this.#file.writer.pragma(name, { simple: true });
    return {
      journalMode: pragma('journal_mode') as string,
      synchronous: pragma('synchronous') as number,
      pageBytes: pragma('page_size') as number,
    };
  }

  close(): void {
    this.#sessions.clear();
    this.#file.reader.close();
    this.#file.writer.close();
  }

  get #context(): OpenContext {
    const [file, partitionTables, groupTables] = [this.#file, this.#partitionTables, this.#groupTables];
    return { file, partitionTables, groupTables, scheduleTable: this.#scheduleTable };
  }

  #writePart(id: SessionId, part: readonly WriteRequest[]): WriteAnswer[] {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      const error = { kind: 'closed' as const, message: 'the partition is closed', details: {} };
      return part.map(() => ({ kind: 'refused', error }));
    }
    this.#file.writer.exec('SAVEPOINT part');
    try {
      const answers = part.map((request) => session.write(request));
      this.#file.writer.exec('RELEASE part');
      return answers;
    } catch (error) {
      const answer = this.#refusal(session, error);
      session.rollback();
      this.#file.writer.exec('ROLLBACK TO part; RELEASE part');
      return part.map(() => answer);
    }
  }

  /** The answer to a part that alone could not be written; anything that concerns the whole file is thrown on. */
  #refusal(session: PartitionSession, error: unknown): WriteAnswer {
    if (error instanceof FencedError) {
      return { kind: 'fenced', epoch: this.#partitionTables.find(session)?.epoch ?? session.epoch };
    }
    if (error instanceof StoreError) {
      return { kind: 'refused', error: { kind: error.kind, message: error.message, details: error.details } };
    }
    throw error;
  }

  #fail(requests: readonly WriteRequest[], error: unknown): WriteAnswer[] {
    const fault = sqliteFault(error, 'write');
    if (fault.kind !== 'full') {
      throw fault;
    }
    this.#rollback();
    for (const request of requests) {
      this.#sessions.get(request.session)?.rollback();
    }
    return requests.map(() => ({ kind: 'full' }));
  }

  #noteTruncations(requests: readonly WriteRequest[]): void {
    for (const request of requests) {
      if (request.op === 'truncate') {
        const session = this.#sessions.get(request.session);
        if (session !== undefined) {
          this.#releaseOlder(session);
          this.#sweeper.addLane(session.lane(request.lane));
        }
      }
    }
  }

  /** Rows that fence an older opening may now go: it must not find their offsets free. */
  #releaseOlder(owner: PartitionSession): void {
    for (const [id, session] of this.#sessions) {
      const isSame = session.topicId === owner.topicId && session.partition === owner.partition;
      if (isSame && session.epoch < owner.epoch) {
        this.#sessions.delete(id);
      }
    }
  }

  #begin(): void {
    this.#file.writer.exec('BEGIN IMMEDIATE');
  }

  #commit(bytes: number): void {
    this.#file.writer.exec('COMMIT');
    this.#uncheckpointedBytes += bytes;
  }

  #rollback(): void {
    // A full disk may have rolled the transaction back already.
    if (this.#file.writer.inTransaction) {
      this.#file.writer.exec('ROLLBACK');
    }
  }

  #attempt<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.#rollback();
      throw sqliteFault(error, what);
    }
  }
}

/** What a write brings of messages. */
export function recordBytes(request: WriteRequest): number {
  switch (request.op) {
    case 'append':
      return request.buffer.byteLength;
    case 'commit':
      return request.changes.reduce((bytes, change) => bytes + ('record' in change ? change.record.length : 0), 0);
    default:
      return 0;
  }
}

function groupBySession(requests: readonly WriteRequest[]): Map<SessionId, WriteRequest[]> {
  const parts = new Map<SessionId, WriteRequest[]>();
  for (const request of requests) {
    const part = parts.get(request.session);
    if (part === undefined) {
      parts.set(request.session, [request]);
    } else {
      part.push(request);
    }
  }
  return parts;
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  invariant(item !== undefined, `no item ${index}`);
  return item;
}
