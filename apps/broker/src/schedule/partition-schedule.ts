import {
  type AppendPart,
  type NewRecord,
  partsOf,
  type Schedule,
  type ScheduledRecord,
  StoreError,
  type WholeAppendResult,
} from '@hermes/log';
import { createDeferred, type Deferred, Serial } from '@hermes/runtime';
import { recordKeys } from '../partition/key-hash.js';
import { type Lane } from '../partition/lane.js';
import { type PartitionServices } from '../partition/partition-services.js';
import { WakeTimer } from '../partition/wake-timer.js';
import { DueList } from './due-list.js';
import { type ScheduleResult, ScheduleWriter } from './schedule-writer.js';

/** Messages that are due next and known: what is later is read in time. */
const KNOWN = { recordsMax: 1_000, bytesMax: 8 * 1024 * 1024 };
/** Messages that are promoted together. */
const PROMOTED_MAX = 500;
/** A lane's mark may lie so far behind its end before a promotion: a new owner looks at no more records than that. */
const MARK_LAG_MAX = 20_000;
/** Pause after the store failed. */
const RETRY_MS = 200;

/** A message to be stored until it is due. */
export type NewSchedule = Omit<ScheduledRecord, 'scheduleId'>;

export interface PartitionScheduleOptions {
  readonly schedule: Schedule;
  readonly lanes: readonly Lane[];
  readonly services: Pick<PartitionServices, 'clock' | 'timers' | 'tasks' | 'logger'>;
  /** The store's time. */
  readonly nowMs: () => number;
  readonly isServing: () => boolean;
  readonly onFenced: () => void;
}

/**
 * The messages of one owned partition that wait for their time. A due one is appended with its schedule's id, and its
 * schedule deleted when that is durable; the next one of its lane is promoted only after that, so that all a dead owner
 * can leave is the last promotion of each lane, which its successor finds by the ids in the log.
 */
export class PartitionSchedule {
  readonly #options: PartitionScheduleOptions;
  readonly #writer: ScheduleWriter;
  readonly #due = new DueList(KNOWN);
  readonly #marks: number[];
  readonly #timer: WakeTimer;
  /** Ids whose records are on their way into the log. */
  readonly #promoting = new Set<number>();
  /** Ids that are being deleted. */
  readonly #cancelling = new Set<number>();
  readonly #cancels = new Serial();
  #nextId: number;
  #running = false;
  #stopped = false;
  #idle: Deferred<void> | undefined;

  constructor(options: PartitionScheduleOptions) {
    const { schedule, services } = options;
    this.#options = options;
    this.#nextId = schedule.nextId;
    this.#marks = options.lanes.map((_, lane) => schedule.marks[lane] ?? 0);
    this.#writer = new ScheduleWriter(schedule, options.onFenced);
    this.#timer = new WakeTimer(services.clock, services.timers, () => {
      this.#wake();
    });
  }

  /** The first id that is not given yet. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Deletes what the owner before had promoted already, then lets time begin. Rejects with StoreError. */
  async start(): Promise<void> {
    if (this.#options.schedule.nextId === 1) {
      // Nothing was ever scheduled: most partitions need not ask.
      this.#due.load([], true);
      return;
    }
    await this.#readMore();
    const { first } = this.#due;
    if (first !== undefined && first.dueAtMs <= this.#options.nowMs()) {
      await this.#forgetPromoted();
    }
    this.#arm();
  }

  /** Stores messages until they are due; gives their ids, in order, with what became of all of them. */
  async add(
    entries: readonly NewSchedule[],
  ): Promise<{ readonly ids: readonly number[]; readonly result: ScheduleResult }> {
    const records = entries.map((entry): ScheduledRecord => {
      const scheduleId = this.#nextId;
      this.#nextId += 1;
      return { ...entry, scheduleId };
    });
    const result = await this.#writer.add(records);
    if (result.kind === 'committed') {
      for (const record of records) {
        this.#due.add(record);
      }
      this.#arm();
    }
    return { ids: records.map(({ scheduleId }) => scheduleId), result };
  }

  /** `notFound` if it does not wait any more, or is on its way into the log. Rejects with StoreError. */
  cancel(scheduleId: number): Promise<ScheduleResult | 'notFound'> {
    return this.#cancels.run(async () => {
      if (this.#promoting.has(scheduleId) || !(await this.#options.schedule.has(scheduleId))) {
        return 'notFound';
      }
      // It may have become due while storage was asked.
      return this.#promoting.has(scheduleId) ? 'notFound' : this.#delete(scheduleId);
    });
  }

  /** From here on it is not promoted, unless it could not be deleted. */
  async #delete(scheduleId: number): Promise<ScheduleResult> {
    this.#cancelling.add(scheduleId);
    this.#due.remove(scheduleId);
    let isDeleted = false;
    try {
      const outcome = await this.#options.schedule.commit([{ kind: 'unscheduled', scheduleIds: [scheduleId] }]);
      const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
      isDeleted = definite.kind === 'committed';
      return definite;
    } finally {
      this.#cancelling.delete(scheduleId);
      if (!isDeleted) {
        this.#due.reset();
      }
      this.#arm();
    }
  }

  /** How many wait, by lane. */
  counts(): Promise<readonly number[]> {
    return this.#options.schedule.counts();
  }

  /** Promotes nothing more; resolves once what was under way has ended. */
  async flush(): Promise<void> {
    this.#stop();
    await this.#writer.flush();
    if (this.#running) {
      this.#idle ??= createDeferred();
      await this.#idle.promise;
    }
  }

  close(): void {
    this.#stop();
    this.#writer.close();
  }

  #stop(): void {
    this.#stopped = true;
    this.#timer.stop();
  }

  #arm(): void {
    const { first, wantsMore } = this.#due;
    if (this.#stopped || this.#running) {
      return;
    }
    if (wantsMore) {
      this.#timer.within(0);
    } else if (first !== undefined) {
      this.#timer.within(Math.max(0, first.dueAtMs - this.#options.nowMs()));
    }
  }

  #wake(): void {
    if (!this.#running && !this.#stopped) {
      this.#running = true;
      this.#options.services.tasks.run('promote due messages', () => this.#run());
    }
  }

  async #run(): Promise<void> {
    let failed = false;
    try {
      if (this.#options.isServing()) {
        await this.#promoteDue();
      }
    } catch (error) {
      if (!(error instanceof StoreError)) {
        throw error;
      }
      failed = true;
      this.#options.services.logger.warn({ err: error }, 'due messages could not be promoted and are tried again');
    } finally {
      this.#running = false;
      this.#idle?.resolve();
    }
    if (failed) {
      this.#timer.within(RETRY_MS);
    } else {
      this.#arm();
    }
  }

  async #promoteDue(): Promise<void> {
    if (this.#due.wantsMore) {
      await this.#readMore();
    }
    const nowMs = this.#options.nowMs();
    await Promise.all(this.#options.lanes.map((lane) => this.#promoteLane(lane, nowMs)));
  }

  async #promoteLane(lane: Lane, nowMs: number): Promise<void> {
    const due = this.#due.takeDue(nowMs, lane.number, PROMOTED_MAX);
    const records = due.filter(({ scheduleId }) => !this.#cancelling.has(scheduleId));
    if (records.length === 0) {
      return;
    }
    const ids = idsOf(records);
    ids.forEach((id) => this.#promoting.add(id));
    try {
      await this.#moveMark(lane);
      const result = await lane.appender.append(records.map(toNewRecord), Number.POSITIVE_INFINITY);
      await this.#promoted(lane, records, partsOf(result, records.length));
    } finally {
      ids.forEach((id) => this.#promoting.delete(id));
    }
  }

  async #promoted(lane: Lane, records: readonly ScheduledRecord[], parts: readonly AppendPart[]): Promise<void> {
    const results = parts.flatMap((part) => new Array<WholeAppendResult>(part.records).fill(part.result));
    const failure = results.find(({ kind }) => kind !== 'appended');
    // Unknown, fenced: the next owner knows. Else what failed is not stored, and is tried again.
    if (!results.some(({ kind }) => kind === 'unknown' || kind === 'fenced')) {
      this.#due.putBack(records.filter((_, nth) => results[nth]?.kind !== 'appended'));
      await this.#forget(lane, idsOf(records.filter((_, nth) => results[nth]?.kind === 'appended')));
    }
    if (failure !== undefined) {
      throw failure.kind === 'refused' ? failure.error : new StoreError('unavailable', `promotion: ${failure.kind}`);
    }
  }

  /** The records are in the log: their schedules go, whatever it takes, before anything else of the lane is promoted. */
  async #forget(lane: Lane, scheduleIds: readonly number[]): Promise<void> {
    if (scheduleIds.length === 0) {
      return;
    }
    const mark = { lane: lane.number, offset: lane.log.nextOffset };
    while (!this.#stopped || this.#options.isServing()) {
      const outcome = await this.#commit([
        { kind: 'unscheduled', scheduleIds },
        { kind: 'mark', mark },
      ]);
      if (outcome === 'committed') {
        this.#marks[lane.number] = mark.offset;
        return;
      }
      if (outcome === 'over') {
        return;
      }
      await new Promise<void>((resolve) => {
        this.#options.services.timers.after(RETRY_MS, resolve);
      });
    }
  }

  async #moveMark(lane: Lane): Promise<void> {
    const offset = lane.log.nextOffset;
    if (offset - (this.#marks[lane.number] ?? 0) > MARK_LAG_MAX) {
      const outcome = await this.#commit([{ kind: 'mark', mark: { lane: lane.number, offset } }]);
      if (outcome !== 'committed') {
        throw new StoreError('unavailable', 'a lane’s mark could not be moved');
      }
      this.#marks[lane.number] = offset;
    }
  }

  async #commit(changes: Parameters<Schedule['commit']>[0]): Promise<'committed' | 'again' | 'over'> {
    try {
      const outcome = await this.#options.schedule.commit(changes);
      const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
      if (definite.kind === 'fenced') {
        this.#options.onFenced();
        return 'over';
      }
      if (definite.kind === 'refused' && definite.error.kind === 'closed') {
        return 'over';
      }
      return definite.kind === 'committed' ? 'committed' : 'again';
    } catch (error) {
      if (!(error instanceof StoreError)) {
        throw error;
      }
      return error.kind === 'closed' ? 'over' : 'again';
    }
  }

  async #readMore(): Promise<void> {
    const { recordsMax: maxRecords, bytesMax: maxBytes } = KNOWN;
    this.#due.beginLoad();
    const records = await this.#options.schedule.read({ after: this.#due.horizon, maxRecords, maxBytes });
    this.#due.load(records, records.length === 0);
  }

  /** What stands in the log as a schedule that is still stored was promoted by the owner before. */
  async #forgetPromoted(): Promise<void> {
    const { lanes, schedule } = this.#options;
    for (const lane of lanes) {
      const ids = await schedule.promotedFrom(lane.number, this.#marks[lane.number] ?? 0);
      if (ids.length > 0) {
        ids.forEach((id) => {
          this.#due.remove(id);
        });
        await this.#forget(lane, ids);
      }
    }
  }
}

function idsOf(records: readonly ScheduledRecord[]): number[] {
  return records.map(({ scheduleId }) => scheduleId);
}

function toNewRecord({ record, scheduleId, identity, expiresAtMs }: ScheduledRecord): NewRecord {
  return {
    ...{ record, scheduleId, ...recordKeys(record) },
    ...(identity === undefined ? {} : { identity }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}
