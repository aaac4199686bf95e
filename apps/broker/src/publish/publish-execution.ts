import { Durability, HermesError } from '@hermes/contracts';
import { type AppendResult, type PublishPlace, type WholeAppendResult } from '@hermes/log';
import { type Partition } from '../partition/partition.js';
import { appendFailure } from '../rpc/store-failure.js';
import { type ScheduleResult } from '../schedule/schedule-writer.js';
import { type PublishEnd, type Repeat } from './publish-claims.js';
import { type LaneShare, type PublishPlan, type ScheduleShare } from './publish-plan.js';
import { scheduleFailure, scheduleIdOf } from './schedule-outcome.js';

/** What the sender of a repeat waits whose first publish has just failed. */
const REPEAT_AGAIN_MS = 50;

/** How the shares of a request get into the lanes' queues. */
export type Enqueue = (share: LaneShare) => Promise<AppendResult>;

/** What became of a request: its answer, and the retryable failure among its entries, if any. */
export interface PublishAnswer {
  readonly response: Buffer;
  readonly failure: HermesError | undefined;
}

/** Carries out the plan of one request. */
export class PublishExecution {
  readonly #plan: PublishPlan;
  /** Entries that were refused for themselves, most of them before anything was tried. */
  #refused: number;
  #stored = 0;
  #failure: HermesError | undefined;

  constructor(plan: PublishPlan) {
    this.#plan = plan;
    this.#refused = plan.results.errors.size;
  }

  /** Appends and schedules everything at once. Throws if nothing could be stored. */
  async run(enqueue: Enqueue): Promise<PublishAnswer> {
    const { shares, scheduled, claims, results } = this.#plan;
    const scheduling = Promise.all(scheduled.map((share) => this.#schedule(share)));
    const repeating = Promise.all(claims?.repeats.map((repeat) => this.#repeat(repeat)) ?? []);
    const [only] = shares;
    if (shares.length === 1 && only !== undefined) {
      this.#appended(only, await enqueue(only));
    } else {
      const appended = await Promise.all(shares.map(enqueue));
      shares.forEach((share, nth) => {
        const result = appended[nth];
        if (result !== undefined) {
          this.#appended(share, result);
        }
      });
    }
    await scheduling;
    await repeating;
    if (this.#failure !== undefined && this.#stored === 0 && this.#refused === 0) {
      throw this.#failure;
    }
    return { response: results.encode(), failure: this.#failure };
  }

  #appended(share: LaneShare, result: AppendResult): void {
    if (result.kind !== 'divided') {
      this.#ended(share, result);
      return;
    }
    let from = 0;
    for (const part of result.parts) {
      const to = from + part.records;
      const [records, indices] = [share.records.slice(from, to), share.indices.slice(from, to)];
      this.#ended({ ...share, records, indices }, part.result);
      from = to;
    }
  }

  #ended(share: LaneShare, result: WholeAppendResult): void {
    const { results } = this.#plan;
    this.#endClaims(share.partition, share.records, (nth) => endOfAppend(share, result, nth));
    if (result.kind === 'refused' && result.error.kind === 'tooLarge') {
      this.#refuse(share.indices, appendFailure(result));
      return;
    }
    if (result.kind !== 'appended') {
      this.#failed(share.indices, appendFailure(result));
      return;
    }
    this.#stored += 1;
    const place = { idPrefix: share.lane.idPrefix, durability: share.lane.durability() };
    share.indices.forEach((index, nth) => {
      results.stored(index, place, result.firstOffset + nth);
    });
  }

  async #schedule({ partition, entries, indices }: ScheduleShare): Promise<void> {
    const { ids, result } = await partition.schedule.add(entries);
    this.#endClaims(partition, entries, (nth) => endOfSchedule(partition, result, ids[nth] ?? 0));
    if (result.kind !== 'committed') {
      this.#failed(indices, scheduleFailure(result));
      return;
    }
    this.#stored += 1;
    indices.forEach((index, nth) => {
      this.#told({ index, partition }, { scheduleId: ids[nth] ?? 0 }, false);
    });
  }

  /** Gives the first publish's result, once it is there. */
  async #repeat({ index, partition, outcome }: Repeat): Promise<void> {
    const place = await outcome;
    if (place === undefined) {
      this.#failed([index], new HermesError('OUTCOME_UNKNOWN', 'the outcome of the same publish before is not known'));
    } else if (place === 'notStored') {
      const error = new HermesError('BACKPRESSURE', 'the same publish before was not stored: try again', {
        retryAfterMs: REPEAT_AGAIN_MS,
      });
      this.#failed([index], error);
    } else {
      this.#stored += 1;
      this.#told({ index, partition }, place, true);
    }
  }

  #told({ index, partition }: Pick<Repeat, 'index' | 'partition'>, place: PublishPlace, duplicate: boolean): void {
    const lane = partition.lanes['lane' in place ? place.lane : 0];
    this.#plan.results.told(index, {
      outcome:
        'offset' in place
          ? { $case: 'messageId', value: `${lane?.idPrefix.toString() ?? ''}${place.offset}` }
          : { $case: 'scheduleId', value: scheduleIdOf(partition, place.scheduleId) },
      durability: lane?.durability() ?? Durability.UNSPECIFIED,
      duplicate,
    });
  }

  #refuse(indices: readonly number[], error: HermesError): void {
    this.#refused += indices.length;
    for (const index of indices) {
      this.#plan.results.failed(index, error);
    }
  }

  #failed(indices: readonly number[], error: HermesError): void {
    this.#failure ??= error;
    for (const index of indices) {
      this.#plan.results.failed(index, error);
    }
  }

  #endClaims(
    partition: Partition,
    entries: readonly Pick<LaneShare['records'][number], 'identity'>[],
    endOf: (nth: number) => PublishEnd,
  ): void {
    const { claims } = this.#plan;
    if (claims !== undefined) {
      entries.forEach(({ identity }, nth) => {
        if (identity !== undefined) {
          claims.end(partition, identity, endOf(nth));
        }
      });
    }
  }
}

function endOfAppend({ lane }: LaneShare, result: WholeAppendResult, nth: number): PublishEnd {
  if (result.kind === 'appended') {
    return { place: { lane: lane.number, offset: result.firstOffset + nth }, atMs: result.appendedAtMs };
  }
  return result.kind === 'unknown' ? 'unknown' : 'notStored';
}

function endOfSchedule(partition: Partition, result: ScheduleResult, scheduleId: number): PublishEnd {
  if (result.kind === 'committed') {
    return { place: { scheduleId }, atMs: partition.timeMs() };
  }
  return result.kind === 'unknown' ? 'unknown' : 'notStored';
}
