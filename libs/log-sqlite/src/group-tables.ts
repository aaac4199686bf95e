import type {
  DeadLetterEntry,
  DeadLetterPlace,
  GroupChange,
  GroupSnapshot,
  LaneCursor,
  RetryEntry,
} from '@hermes/delivery';
import {
  countsByLane,
  type DeadLetterAges,
  type DeadLetterRange,
  decodeHeld,
  decodeRanges,
  encodeHeld,
  encodeRanges,
  type GroupCounts,
  type LaneCount,
  type StoredDeadLetter,
  StoreError,
} from '@hermes/log';
import type Database from 'better-sqlite3';

import { GROUP_SQL, type GroupSqlName } from './group-sql.js';
import type { LaneAddress, LaneTable } from './lane-table.js';
import type { PartitionAddress } from './partition-tables.js';
import type { ShardFile } from './shard-file.js';

/** A partition whose lanes' records can be copied, unless it has none. */
export interface GroupOwner extends PartitionAddress {
  readonly stateOnly: boolean;
  lane(lane: number): { readonly table: LaneTable };
}

/** What is not written with every batch of settles. */
type RareChange = Extract<
  GroupChange,
  { readonly kind: 'redriven' | 'deadLetterDone' | 'keepRecords' | 'inFlight' | 'seek' }
>;

interface CursorRow {
  readonly lane: number;
  readonly floor: number;
  readonly settledRanges: Uint8Array;
  readonly skipped: number;
  readonly consumerEpoch: number;
  readonly token: number;
  readonly generation: number;
  readonly inFlight: string | null;
}

/** group_cursor, retry and dead_letter. */
export class GroupTables {
  readonly #writer: Database.Database;
  readonly #statements = new Map<GroupSqlName, Database.Statement>();

  constructor(file: ShardFile) {
    this.#writer = file.writer;
  }

  groupIds({ topicId, partition }: PartitionAddress): number[] {
    return this.#statement('groupIds').pluck().all(topicId, partition) as number[];
  }

  load({ topicId, partition, stateOnly }: GroupOwner, groupId: number): GroupSnapshot | undefined {
    const cursors = this.#statement('cursors').all(topicId, partition, groupId) as CursorRow[];
    const first = cursors[0];
    if (first === undefined) {
      return undefined;
    }
    const retries = this.#statement('retries').all(stateOnly ? 1 : 0, topicId, partition, groupId) as RetryRow[];
    return {
      groupId,
      consumerEpoch: first.consumerEpoch,
      token: first.token,
      generation: first.generation,
      lanes: cursors.map(({ lane, floor, settledRanges, skipped }) => ({
        ...{ lane, floor, skipped },
        settled: decodeRanges(floor, settledRanges),
      })),
      retries: retries.map(toRetry),
      inFlight: decodeHeld(first.inFlight),
    };
  }

  counts({ topicId, partition }: PartitionAddress, groupId: number): GroupCounts {
    const retries = this.#statement('retryCount').pluck().get(topicId, partition, groupId) as number;
    const rows = this.#statement('deadLetterCounts').all(topicId, partition, groupId) as LaneCount[];
    return { retries, deadLetters: countsByLane(rows) };
  }

  /** The copy that a retry keeps of its record. */
  retryRecord(
    { topicId, partition }: PartitionAddress,
    groupId: number,
    { lane, offset }: { readonly lane: number; readonly offset: number },
  ): Uint8Array | undefined {
    return this.#statement('retryRecord').pluck().get(topicId, partition, groupId, lane, offset) as
      Uint8Array | undefined;
  }

  deadLetters(address: PartitionAddress, groupId: number, range: DeadLetterRange): StoredDeadLetter[] {
    const { lane, offset, generation } = range.from;
    const letters: StoredDeadLetter[] = [];
    let bytes = 0;
    const rows = this.#statement('deadLetters').iterate(
      ...[address.topicId, address.partition, groupId, lane, offset, offset, generation, range.maxRecords],
    ) as IterableIterator<StoredDeadLetter>;
    for (const letter of rows) {
      bytes += letter.record.length;
      if (bytes > range.maxBytes && letters.length > 0) {
        break;
      }
      letters.push(letter);
    }
    return letters;
  }

  deadLettersByAge(
    { topicId, partition }: PartitionAddress,
    groupId: number,
    { first, diedBeforeMs, max }: DeadLetterAges,
  ): DeadLetterPlace[] {
    const statement = this.#statement(first === 'oldest' ? 'oldestDeadLetters' : 'newestDeadLetters');
    return statement.all(topicId, partition, groupId, diedBeforeMs, max) as DeadLetterPlace[];
  }

  /** One above the highest offset that any group has settled in the lane; 0 if there is none. */
  highestFloor({ topicId, partition, lane }: LaneAddress): number {
    const rows = this.#statement('laneFloors').all(topicId, partition, lane) as CursorRow[];
    const tops = rows.map(({ floor, settledRanges }) => decodeRanges(floor, settledRanges).at(-1)?.to ?? floor);
    return Math.max(0, ...tops);
  }

  /** Writes the changes in their order, inside the current transaction and already fenced. */
  write(owner: GroupOwner, changes: readonly GroupChange[]): void {
    for (const change of changes) {
      this.#writeOne(owner, change);
    }
  }

  /** Deletes some rows of groups without a cursor; how many. */
  deleteOrphans(address: PartitionAddress, rowsMax: number): number {
    const known = new Set(this.groupIds(address));
    return (
      this.#deleteOrphans(['nextRetryGroup', 'deleteRetries'], address, { known, rowsMax }) ||
      this.#deleteOrphans(['nextDeadLetterGroup', 'deleteDeadLetters'], address, { known, rowsMax })
    );
  }

  /** Deletes some rows of a partition, cursors first; how many. */
  deleteAll(address: PartitionAddress, rowsMax: number): number {
    const cursors = this.#statement('deleteAllCursors').run(address.topicId, address.partition).changes;
    return cursors > 0 ? cursors : this.deleteOrphans(address, rowsMax);
  }

  #writeOne(owner: GroupOwner, change: GroupChange): void {
    const { topicId, partition } = owner;
    const { groupId } = change;
    switch (change.kind) {
      case 'created':
        this.#create(owner, change);
        break;
      case 'deleted':
        this.#statement('deleteCursors').run(topicId, partition, groupId);
        break;
      case 'cursor':
        this.#moveCursor(owner, groupId, change.cursor);
        break;
      case 'holder':
        this.#statement('holder').run(change.consumerEpoch, change.token, topicId, partition, groupId);
        break;
      case 'retry':
        this.#upsertRetry(owner, change);
        break;
      case 'retryDone':
        this.#statement('retryDone').run(topicId, partition, groupId, change.lane, change.offset);
        break;
      case 'deadLetter':
        this.#insertDeadLetter(owner, change);
        break;
      default:
        this.#writeRare(owner, change);
    }
  }

  #writeRare(owner: GroupOwner, change: RareChange): void {
    const { topicId, partition } = owner;
    switch (change.kind) {
      case 'redriven':
        this.#statement('redrive').run(change.dueAtMs, ...deadLetterKey(owner, change.groupId, change.place));
        this.#statement('deadLetterDone').run(...deadLetterKey(owner, change.groupId, change.place));
        break;
      case 'deadLetterDone':
        this.#statement('deadLetterDone').run(...deadLetterKey(owner, change.groupId, change.place));
        break;
      case 'keepRecords':
        this.#keepRecords(owner, change);
        break;
      case 'inFlight':
        this.#statement('inFlight').run(encodeHeld(change.held), topicId, partition, change.groupId);
        break;
      case 'seek':
        this.#seek(owner, change);
        break;
    }
  }

  #create({ topicId, partition }: GroupOwner, { groupId, lanes }: Extract<GroupChange, { kind: 'created' }>): void {
    for (const { lane, floor, settled } of lanes) {
      this.#statement('insertCursor').run(topicId, partition, groupId, lane, floor, encodeRanges(floor, settled));
    }
  }

  #moveCursor({ topicId, partition }: GroupOwner, groupId: number, cursor: LaneCursor): void {
    const { lane, floor, settled, skipped = null } = cursor;
    const ranges = encodeRanges(floor, settled);
    const moved = this.#statement('moveCursor').run(floor, ranges, skipped, topicId, partition, groupId, lane);
    if (moved.changes === 0) {
      // A lane that is newer than the group. A group that was deleted meanwhile has no row to copy, and stays deleted.
      this.#statement('addCursor').run(lane, floor, ranges, topicId, partition, groupId);
    }
  }

  #upsertRetry({ topicId, partition }: GroupOwner, change: Extract<GroupChange, { kind: 'retry' }>): void {
    const { groupId, entry, record = null } = change;
    const { lane, offset, dueAtMs, attempts, strikes, keyHash, reason, generation } = entry;
    this.#statement('upsertRetry').run(
      ...[topicId, partition, groupId, lane, offset],
      ...[dueAtMs, attempts, strikes, keyHash, reason, generation, record],
    );
  }

  #keepRecords(owner: GroupOwner, change: Extract<GroupChange, { kind: 'keepRecords' }>): void {
    const { groupId, lane, from, to } = change;
    const group = [owner.topicId, owner.partition, groupId, lane];
    if (owner.stateOnly) {
      this.#statement('detach').run(...group, from, to);
      return;
    }
    const { table } = owner.lane(lane);
    const offsets = this.#statement('withoutRecord')
      .pluck()
      .all(...group, from, to) as number[];
    for (const offset of offsets) {
      this.#statement('keepRecord').run(table.record(offset), ...group, offset);
    }
  }

  #seek(owner: GroupOwner, { groupId, generation, lanes }: Extract<GroupChange, { kind: 'seek' }>): void {
    const { topicId, partition } = owner;
    for (const cursor of lanes) {
      this.#moveCursor(owner, groupId, cursor);
      this.#statement('dropRetries').run(topicId, partition, groupId, cursor.lane, cursor.floor);
    }
    this.#statement('seekGeneration').run(generation, topicId, partition, groupId);
  }

  /** With its record, so that retention of the lane does not take it. Once: a repeat finds the row. */
  #insertDeadLetter(owner: GroupOwner, change: Extract<GroupChange, { kind: 'deadLetter' }>): void {
    const { topicId, partition } = owner;
    const { groupId, entry } = change;
    const { lane, offset, generation, attempts, cause, reason, keyHash, diedAtMs } = entry;
    const record = change.record ?? this.#copy(owner, groupId, entry);
    if (record === undefined) {
      if (this.#statement('hasDeadLetter').get(...deadLetterKey(owner, groupId, entry)) !== undefined) {
        return;
      }
      throw new StoreError(
        'dataLoss',
        `the record of dead letter ${topicId}/${partition}/${lane}/${offset} is missing`,
        {
          details: { topicId, partition, lane, offset },
        },
      );
    }
    this.#statement('insertDeadLetter').run(
      ...[topicId, partition, groupId, lane, offset, generation],
      ...[attempts, cause, reason, keyHash, diedAtMs, record],
    );
  }

  /** The record that a dead letter copies. */
  #copy(owner: GroupOwner, groupId: number, { lane, offset }: DeadLetterEntry): Uint8Array | undefined {
    const logged = owner.stateOnly ? undefined : owner.lane(lane).table.record(offset);
    return logged ?? this.retryRecord(owner, groupId, { lane, offset });
  }

  #deleteOrphans(
    [next, remove]: ['nextRetryGroup', 'deleteRetries'] | ['nextDeadLetterGroup', 'deleteDeadLetters'],
    { topicId, partition }: PartitionAddress,
    { known, rowsMax }: { known: ReadonlySet<number>; rowsMax: number },
  ): number {
    let groupId: number | null = -1;
    for (;;) {
      groupId = this.#statement(next).pluck().get(topicId, partition, groupId) as number | null;
      if (groupId === null) {
        return 0;
      }
      if (!known.has(groupId)) {
        return this.#statement(remove).run(topicId, partition, groupId, rowsMax).changes;
      }
    }
  }

  #statement(name: GroupSqlName): Database.Statement {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      statement = this.#writer.prepare(GROUP_SQL[name]);
      this.#statements.set(name, statement);
    }
    return statement;
  }
}

function deadLetterKey(
  { topicId, partition }: PartitionAddress,
  groupId: number,
  { lane, offset, generation }: DeadLetterPlace,
): number[] {
  return [topicId, partition, groupId, lane, offset, generation];
}

type RetryRow = Omit<RetryEntry, 'hasRecord'> & { readonly hasRecord: number };

function toRetry({ hasRecord, ...retry }: RetryRow): RetryEntry {
  return hasRecord === 1 ? { ...retry, hasRecord: true } : retry;
}
