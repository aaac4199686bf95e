import { checkPublishRequest, type HermesError, type RawPublishRequest } from '@hermes/contracts';
import { type Counters } from '../counters.js';
import { type Ownership } from '../partition/ownership.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { storeFailure } from '../rpc/store-failure.js';
import { type KnownPublishes } from './known-publishes.js';
import { type Enqueue, type PublishAnswer, PublishExecution } from './publish-execution.js';
import { type PublishPlan, planPublish } from './publish-plan.js';

/** Publishes requests: checks, sorts by lane, appends, answers. Used by the unary call and the stream. */
export class Publisher {
  readonly #ownership: Ownership;
  readonly #counters: Pick<Counters, 'repeated'>;

  constructor(ownership: Ownership, counters: Pick<Counters, 'repeated'>) {
    this.#ownership = ownership;
    this.#counters = counters;
  }

  /** The answer of one unary request. `deadlineMs` is monotonic. Throws HermesError if nothing was tried. */
  async publish(request: RawPublishRequest, deadlineMs: number): Promise<Buffer> {
    const plan = await this.plan(request);
    const { response } = await this.execute(plan, ({ lane, records, chain }) =>
      lane.appender.append(records, deadlineMs, chain),
    );
    return response;
  }

  /** Resolves once the partition that the request names is being opened here no longer; undefined: it is not. */
  opening({ topic, partition }: RawPublishRequest): Promise<void> | undefined {
    return partition === undefined ? undefined : this.#ownership.opening(topic, [partition]);
  }

  /** Everything that comes before storage work; `execute` has to follow. */
  async plan(request: RawPublishRequest): Promise<PublishPlan> {
    checkPublishRequest(request);
    for (;;) {
      const plan = planPublish(request, await this.#ownedTopic(request));
      const { claims } = plan;
      if (claims === undefined || claims.unloaded.size === 0) {
        try {
          await this.#explainMisrouted(request, plan);
          return plan;
        } catch (error) {
          claims?.close();
          throw error;
        }
      }
      claims.close();
      await loadAll(claims.unloaded);
    }
  }

  /** Appends the shares, all of them at once, and gathers the results. Throws if nothing could be stored. */
  async execute(plan: PublishPlan, enqueue: Enqueue): Promise<PublishAnswer> {
    const execution = new PublishExecution(plan);
    this.#counters.repeated(plan.claims?.repeats.length ?? 0);
    try {
      return await execution.run(enqueue);
    } finally {
      plan.claims?.close();
    }
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

async function loadAll(windows: Iterable<KnownPublishes>): Promise<void> {
  try {
    await Promise.all(Array.from(windows, (known) => known.load()));
  } catch (error) {
    throw storeFailure(error);
  }
}
