import { checkTopicName, Durability, type HermesError, type RawPublishRequest } from '@hermes/contracts';
import { type AppendResult } from '@hermes/log';
import { type Ownership } from '../partition/ownership.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { appendFailure } from '../rpc/store-failure.js';
import {
  checkPublishRequest,
  type LaneShare,
  type PublishPlan,
  planPublish,
  type ScheduleShare,
} from './publish-plan.js';
import { scheduleShare } from './schedule-share.js';

/** How the shares of a request get into the lanes' queues. */
export type Enqueue = (share: LaneShare) => Promise<AppendResult>;

/** What became of a request: its answer, and the retryable failure among its entries, if any. */
export interface PublishAnswer {
  readonly response: Buffer;
  readonly failure: HermesError | undefined;
}

/** Publishes requests: checks, sorts by lane, appends, answers. Used by the unary call and the stream. */
export class Publisher {
  readonly #ownership: Ownership;

  constructor(ownership: Ownership) {
    this.#ownership = ownership;
  }

  /** The answer of one unary request. `deadlineMs` is monotonic. Throws HermesError if nothing was tried. */
  async publish(request: RawPublishRequest, deadlineMs: number): Promise<Buffer> {
    const plan = await this.plan(request);
    const { response } = await this.execute(plan, ({ lane, records, chain }) =>
      lane.appender.append(records, deadlineMs, chain),
    );
    return response;
  }

  /** Everything that comes before storage work. */
  async plan(request: RawPublishRequest): Promise<PublishPlan> {
    const badName = checkTopicName(request.topic);
    if (badName !== undefined) {
      throw badName;
    }
    checkPublishRequest(request);
    const topic = await this.#ownedTopic(request);
    const plan = planPublish(request, topic);
    await this.#explainMisrouted(request, plan);
    return plan;
  }

  /** Appends the shares, all of them at once, and gathers the results. Throws if nothing could be stored. */
  async execute(plan: PublishPlan, enqueue: Enqueue): Promise<PublishAnswer> {
    const { results, shares } = plan;
    let failure: HermesError | undefined;
    let stored = 0;
    const settle = (share: LaneShare, result: AppendResult): void => {
      if (result.kind === 'appended') {
        stored += 1;
        const place = { idPrefix: share.lane.idPrefix, durability: share.lane.durability() };
        share.indices.forEach((index, nth) => {
          results.stored(index, place, result.firstOffset + nth);
        });
        return;
      }
      const error = appendFailure(result);
      failure ??= error;
      for (const index of share.indices) {
        results.failed(index, error);
      }
    };
    const schedule = async (share: ScheduleShare): Promise<void> => {
      const { error, ids } = await scheduleShare(share);
      stored += error === undefined ? 1 : 0;
      failure ??= error;
      share.indices.forEach((index, nth) => {
        if (error === undefined) {
          results.scheduled(index, ids[nth] ?? '', share.partition.lanes[0]?.durability() ?? Durability.UNSPECIFIED);
        } else {
          results.failed(index, error);
        }
      });
    };
    const refused = results.errors.size;
    const scheduling = Promise.all(plan.scheduled.map(schedule));
    const [only] = shares;
    if (shares.length === 1 && only !== undefined) {
      settle(only, await enqueue(only));
    } else {
      const appended = await Promise.all(shares.map(enqueue));
      shares.forEach((share, nth) => {
        const result = appended[nth];
        if (result !== undefined) {
          settle(share, result);
        }
      });
    }
    await scheduling;
    if (failure !== undefined && stored === 0 && refused === 0) {
      throw failure;
    }
    return { response: results.encode(), failure };
  }

  async #ownedTopic(request: RawPublishRequest): Promise<OwnedTopic> {
    const topic = this.#ownership.topic(request.topic);
    if (topic === undefined) {
      throw await this.#ownership.refusal(request.topic, request.partition);
    }
    return topic;
  }

  /** A request for one partition, or for any, fails as a whole; entries with keys fail alone. */
  async #explainMisrouted(request: RawPublishRequest, plan: PublishPlan): Promise<void> {
    const refusals = new Map<number | undefined, HermesError>();
    for (const { index, partition } of plan.misrouted) {
      let refusal = refusals.get(partition);
      if (refusal === undefined) {
        refusal = await this.#ownership.refusal(request.topic, partition);
        refusals.set(partition, refusal);
      }
      if (request.partition !== undefined || (partition === undefined && plan.shares.length === 0)) {
        throw refusal;
      }
      plan.results.failed(index, refusal);
    }
  }
}
