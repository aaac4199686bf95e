import { type OpeningGate, type OpenPartitionOutcome, type OpenPartitionRequest, StoreError } from '@hermes/log';

import type { ConnectionSet, ConnectionSlot } from './connection-set.js';
import { createLane, createPartition, findRecords } from './create-partition.js';
import { FencedWriter } from './fenced-writer.js';
import { LaneTable } from './lane-table.js';
import { readFault } from './mysql-fault.js';
import { MysqlGroupState } from './mysql-group-state.js';
import type { MysqlLog } from './mysql-log.js';
import { MysqlPartition } from './mysql-partition.js';
import { MysqlProducerState } from './mysql-producer-state.js';
import { MysqlSchedule } from './mysql-schedule.js';
import { openLane } from './open-lane.js';
import { dataLoss, type FoundLane, type OpeningContext, OpeningRefused } from './opening-context.js';
import * as partitionRows from './partition-rows.js';
import { persist } from './persist.js';

/** Nobody who is well holds a partition's row for so long; the server itself gives up waiting for it after 2 s. */
const HELD_UP_MS = 1_000;

/**
 * One opening of a partition: checks what is there, makes what is new, raises the epoch, fences each lane, and only
 * then reads what the lanes and groups are. In this order: from the raised epoch on no older owner changes state, from
 * the fence on none appends. Of state alone there are no lanes to be fenced, only their rows.
 */
export class PartitionOpening {
  readonly #context: OpeningContext;
  readonly #request: OpenPartitionRequest;
  readonly #gate: OpeningGate;
  readonly #settles: ConnectionSlot;
  /** By lane, as far as the topic asks for lanes. */
  readonly #appends: readonly ConnectionSlot[];

  constructor(context: OpeningContext, request: OpenPartitionRequest, gate: OpeningGate) {
    this.#context = context;
    this.#request = request;
    this.#gate = gate;
    this.#settles = context.source.settles.assign();
    const { appends } = context.source;
    this.#appends = request.stateOnly === true ? [] : Array.from({ length: request.lanes }, () => appends.assign());
  }

  /** Rejects with StoreError if the server cannot be asked; the same may work later at a new epoch. */
  async run(): Promise<OpenPartitionOutcome> {
    try {
      return { kind: 'opened', store: await this.#open() };
    } catch (error) {
      if (error instanceof OpeningRefused) {
        return error.outcome;
      }
      const { topicId, partition } = this.#request;
      throw readFault(error, `open partition ${topicId}/${partition}`);
    }
  }

  async #open(): Promise<MysqlPartition> {
    const { epoch } = this.#request;
    for (const slot of [this.#settles, ...this.#appends]) {
      // Each connects while the partition is looked at.
      slot.warm();
    }
    const found = await this.#findOrCreate();
    const known = await this.#findLanes();
    const observed = Math.max(found.epoch, ...known.map(({ last }) => last?.epoch ?? 0));
    if (observed >= epoch) {
      throw new OpeningRefused({ kind: 'epochTooLow', observed });
    }
    const row = await this.#raiseEpoch();
    const fenced = this.#fencedWriter(row);
    // Of state alone, a lane that the topic got since is known from its first mark on: its log is made before.
    const lanes = this.#stateOnly ? known : [...known, ...(await this.#addLanes(known.length, fenced))];
    const logs = await Promise.all(
      (this.#stateOnly ? [] : lanes).map((lane, index) => {
        const slot = this.#appends[index] ?? this.#context.source.appends.assign();
        return openLane(this.#context, this.#request, lane, { fenced, gate: this.#gate, slot });
      }),
    );
    return this.#partition(row, fenced, logs, lanes);
  }

  async #findOrCreate(): Promise<partitionRows.PartitionRow> {
    const { source, rangeRows } = this.#context;
    const found = await source.reads.run((session) => partitionRows.find(session, this.#request));
    if (found !== undefined) {
      return found;
    }
    if (this.#request.created) {
      throw dataLoss('the partition was created, but its partition_state row is missing');
    }
    const tables = Array.from({ length: this.#request.lanes }, (_, lane) => this.#table(lane));
    const missing = await source.control.run((session) => createPartition(session, this.#request, tables, rangeRows));
    const made = await source.control.run((session) => partitionRows.find(session, this.#request));
    if (missing !== undefined || made === undefined) {
      throw dataLoss(missing ?? 'the partition_state row is gone again');
    }
    return made;
  }

  /** The lanes that have a row, each with its table. */
  async #findLanes(): Promise<FoundLane[]> {
    const { reads } = this.#context.source;
    const states = await reads.run((session) => partitionRows.laneStates(session, this.#request));
    const numbers = [...states.keys()].sort((one, other) => one - other);
    if (numbers.length === 0 || numbers.some((lane, index) => lane !== index)) {
      throw dataLoss(`lane_state has rows of ${numbers.length} lanes only`);
    }
    return Promise.all(numbers.map((lane) => this.#findLane(reads, this.#table(lane), states.get(lane))));
  }

  /** From here on every older owner's transaction changes nothing. */
  async #raiseEpoch(): Promise<partitionRows.PartitionRow> {
    const request = this.#request;
    const { timers, random } = this.#context;
    const row = await persist({ timers, random, signal: this.#gate.signal }, () =>
      this.#settles.run(async (session) => {
        await this.#heldUp(() => partitionRows.raiseEpoch(session, request, request));
        return partitionRows.find(session, request);
      }),
    );
    if (row === undefined) {
      throw dataLoss('the partition_state row is gone');
    }
    if (row.epoch !== request.epoch || row.incarnation !== request.incarnation) {
      throw new OpeningRefused({ kind: 'epochTooLow', observed: row.epoch });
    }
    return row;
  }

  /** An older owner's open transaction may hold the row: it died, stalled or was cut off with it. Its connection is ended. */
  async #heldUp(write: () => Promise<unknown>): Promise<void> {
    const { source, timers, background } = this.#context;
    const cancel = timers.after(HELD_UP_MS, () => {
      background('end a connection that holds a partition', async () => {
        const row = await source.reads.run((session) => partitionRows.find(session, this.#request));
        if (row !== undefined && row.epoch < this.#request.epoch) {
          await source.kill(row.connectionId);
        }
      });
    });
    try {
      await write();
    } finally {
      cancel();
    }
  }

  #fencedWriter({ settleSeq, connectionId }: partitionRows.PartitionRow): FencedWriter {
    const { topicId, partition, epoch } = this.#request;
    const { source, timers, random } = this.#context;
    return new FencedWriter({
      ...{ topicId, partition, epoch, settleSeq, connectionId, timers, random },
      slot: this.#settles,
      kill: (id) => source.kill(id),
      signal: this.#gate.signal,
    });
  }

  /** Lanes that the topic got since: table first, then row. */
  async #addLanes(from: number, fenced: FencedWriter): Promise<FoundLane[]> {
    const { source, rangeRows } = this.#context;
    const added: FoundLane[] = [];
    for (let lane = from; lane < this.#request.lanes; lane += 1) {
      const table = this.#table(lane);
      const inTheWay = await source.control.run((session) => createLane(session, this.#request, table, rangeRows));
      if (inTheWay !== undefined) {
        throw dataLoss(inTheWay);
      }
      const outcome = await fenced.write((session) => partitionRows.insertLane(session, table.address));
      const written = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
      if (written.kind === 'fenced') {
        throw new OpeningRefused({ kind: 'epochTooLow', observed: written.epoch });
      }
      if (written.kind !== 'committed') {
        throw written.kind === 'refused' ? written.error : new StoreError('full', 'no space for a new lane');
      }
      added.push(await this.#findLane(source.control, table));
    }
    return added;
  }

  #partition(
    row: partitionRows.PartitionRow,
    fenced: FencedWriter,
    lanes: readonly MysqlLog[],
    found: readonly FoundLane[],
  ): MysqlPartition {
    const { source, background } = this.#context;
    const { topicId, partition, epoch } = this.#request;
    const address = { topicId, partition, stateOnly: this.#stateOnly };
    const gate = this.#gate;
    const groupState = new MysqlGroupState({ address, fenced, gate, background, reads: source.reads });
    groupState.sweep();
    const marks = found.map(({ promotionMark }) => promotionMark);
    const schedule = new MysqlSchedule({
      address,
      fenced,
      gate,
      reads: source.reads,
      nextId: row.nextScheduleId,
      marks,
    });
    const producers = new MysqlProducerState({ address, fenced, gate, reads: source.reads });
    return new MysqlPartition({
      ...{ topicId, partition, epoch, lanes, groupState, schedule, producers, fenced, gate },
      receiptKey: row.receiptKey,
      nowMs: () => source.time.nowMs(),
    });
  }

  get #stateOnly(): boolean {
    return this.#request.stateOnly === true;
  }

  #findLane(connections: ConnectionSet, table: LaneTable, state?: partitionRows.LaneState): Promise<FoundLane> {
    return this.#stateOnly ? findLaneState(connections, table, state) : findLane(connections, table, state);
  }

  #table(lane: number): LaneTable {
    const { topicId, partition } = this.#request;
    return new LaneTable({ topicId, partition, lane });
  }
}

async function findLane(
  connections: ConnectionSet,
  table: LaneTable,
  state?: partitionRows.LaneState,
): Promise<FoundLane> {
  const { firstOffset = 0, promotionMark = 0 } = state ?? {};
  const reading = connections.run((session) => table.last(session));
  // Of a table that is not there it says less than what is read beside it.
  reading.catch(() => undefined);
  const bounds = await connections.run((session) => table.ranges(session));
  if (bounds.length === 0) {
    throw dataLoss(
      `lane ${table.address.lane} has a lane_state row but no table: it is lost, or kept in another store`,
    );
  }
  const last = await reading;
  if (firstOffset > 0 && (last?.offset ?? -1) < firstOffset) {
    throw dataLoss(`lane ${table.address.lane} ends below its first offset ${firstOffset}`);
  }
  return { table, firstOffset, promotionMark, bounds, last };
}

/** A lane whose messages are kept in another store. */
async function findLaneState(
  connections: ConnectionSet,
  table: LaneTable,
  state?: partitionRows.LaneState,
): Promise<FoundLane> {
  const inTheWay = await connections.run((session) => findRecords(session, table));
  if (inTheWay !== undefined) {
    throw dataLoss(inTheWay);
  }
  return { table, firstOffset: 0, promotionMark: state?.promotionMark ?? 0, bounds: [], last: undefined };
}
