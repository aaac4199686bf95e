import {
  type Assignment,
  type Claim,
  deliveryFieldBytes,
  durationFromMs,
  type HermesError,
  LIMITS,
  Outcome,
  type PullRequest,
  type PullTerms,
  pullTermsOf,
  type RawAcknowledgeRequest,
  type RawDelivery,
} from '@hermes/contracts';
import { Backoff, sleep } from '@hermes/runtime';
import { acknowledge } from './acknowledge.js';
import { type RoutingDeps } from './call-owner.js';
import { type CallLimits } from './environment.js';
import { mayRepeat, partitionMoving, retryDelayMs } from './failure.js';
import { PULL } from './methods.js';
import { type PullMember } from './pull-member.js';

/** Left of the caller's deadline for the answer to reach it. */
const ANSWER_MARGIN_MS = 50;
/** An owner may answer so much later than it was to wait. */
const ATTEMPT_MS = 4_000;
/** How long each of several owners is waited for in turn. */
const SLICE_MS = 50;
/** How long a lease that was just asked for may take. */
const GRANT_WAIT_MS = 2_000;
const RETRY_BACKOFF = { initialMs: 20, maxMs: 500 };
/** To give back what nobody waits for. */
const RETURN_MS = 5_000;

/** An owner and what is pulled from it: all that it serves, or in an EXCLUSIVE group the leased partitions. */
interface Source {
  readonly endpoint: string;
  readonly held: readonly Assignment[];
}

/** One pull at a whole cluster. */
interface Pull {
  readonly request: PullRequest;
  readonly terms: PullTerms;
  readonly limits: CallLimits;
  /** Of an EXCLUSIVE group. */
  readonly member: PullMember | undefined;
}

/**
 * Pulls at the owners of a topic's partitions. First each is asked for what it has; while there is nothing, each is
 * waited for in turn, a moment long, so that nothing is in flight that no answer carries.
 */
export class Pulls {
  readonly #deps: RoutingDeps;
  #turn = 0;

  constructor(deps: RoutingDeps) {
    this.#deps = deps;
  }

  /**
   * What there is for the consumer, in the order of each partition; nothing if nothing came in time. Rejects with
   * PARTITION_MOVING if no owner could be asked before the deadline.
   */
  async pull(request: PullRequest, limits: CallLimits, member: PullMember | undefined): Promise<RawDelivery[]> {
    const pull: Pull = { request, terms: pullTermsOf(request), limits, member };
    const deliveries = await this.#pullUntil(pull, this.#nowMs + pull.terms.waitMs);
    if (limits.signal?.aborted === true) {
      await this.#giveBack(request, deliveries);
      limits.signal.throwIfAborted();
    }
    member?.delivered(deliveries);
    return deliveries;
  }

  get #nowMs(): number {
    return this.#deps.environment.clock.monotonicMs();
  }

  async #pullUntil(pull: Pull, waitUntilMs: number): Promise<RawDelivery[]> {
    const { timers, random } = this.#deps.environment;
    const { limits, request } = pull;
    const backoff = new Backoff(RETRY_BACKOFF, random);
    const deadlineAtMs = limits.deadlineAtMs - ANSWER_MARGIN_MS;
    for (let mayWait = false, anyAnswered = false; ; mayWait = true) {
      const sources = await this.#sources(pull);
      const untilMs = Math.min(waitUntilMs, deadlineAtMs);
      const round = await this.#round(pull, sources, mayWait || sources.length === 1 ? untilMs : 0);
      anyAnswered ||= round.answered;
      const leftMs = (anyAnswered ? untilMs : deadlineAtMs) - this.#nowMs;
      if (round.deliveries.length > 0 || leftMs <= 0) {
        if (!anyAnswered) {
          throw partitionMoving(request.topic, undefined, round.error);
        }
        return round.deliveries;
      }
      if (!round.answered) {
        await sleep(timers, Math.min(retryDelayMs(backoff, round.error), leftMs), limits.signal);
      }
    }
  }

  /** Asks one owner after the other, and waits at them no longer than until the first message, or `untilMs`. */
  async #round(
    pull: Pull,
    sources: readonly Source[],
    untilMs: number,
  ): Promise<{ deliveries: RawDelivery[]; answered: boolean; error: HermesError | undefined }> {
    const deliveries: RawDelivery[] = [];
    let error: HermesError | undefined;
    // A member without a partition has its answer: there is nothing for it.
    let answered = pull.member !== undefined && sources.length === 0;
    let bytes = 0;
    for (const source of sources) {
      const wanted = pull.terms.messages - deliveries.length;
      if (wanted === 0) {
        break;
      }
      const sliceMs = sources.length === 1 ? LIMITS.pullWaitMs.max : SLICE_MS;
      const waitMs = deliveries.length > 0 ? 0 : Math.max(0, Math.min(sliceMs, untilMs - this.#nowMs));
      try {
        const more = await this.#pullAt(source, pull, { wanted, waitMs });
        answered = true;
        bytes += more.reduce((sum, delivery) => sum + deliveryFieldBytes(delivery), 0);
        if (deliveries.length > 0 && bytes > LIMITS.frameBytes) {
          await this.#giveBack(pull.request, more);
          break;
        }
        deliveries.push(...more);
      } catch (thrown) {
        error = thrown as HermesError;
        if (!this.#goesOn(pull, source, error) && deliveries.length === 0) {
          throw error;
        }
      }
    }
    return { deliveries, answered, error };
  }

  /** Takes note of what a failure tells; false if it would come again. */
  #goesOn({ request, limits, member }: Pull, { held }: Source, error: HermesError): boolean {
    if (error.code === 'FENCED' && member !== undefined) {
      for (const claim of held) {
        member.fence(claim, Number(error.details['epoch'] ?? 0));
      }
      return true; // A grant will say who has the lease, and at which epoch.
    }
    for (const { partition } of held) {
      this.#deps.router.learn(request.topic, partition, error);
    }
    return limits.signal?.aborted !== true && mayRepeat(error);
  }

  async #pullAt(
    { endpoint, held }: Source,
    { request, limits }: Pull,
    { wanted, waitMs }: { wanted: number; waitMs: number },
  ): Promise<RawDelivery[]> {
    const claims: Claim[] = held.map(({ partition, epoch }) => ({ partition, consumerEpoch: epoch }));
    const own = { ...request, claims, maxMessages: wanted, wait: durationFromMs(Math.floor(waitMs)) };
    const deadlineAtMs = Math.min(limits.deadlineAtMs, this.#nowMs + waitMs + ATTEMPT_MS);
    return (await this.#deps.channels.unary(endpoint, PULL, own, { ...limits, deadlineAtMs })).deliveries;
  }

  /** The owners, each time beginning with another. */
  async #sources(pull: Pull): Promise<Source[]> {
    const byEndpoint = pull.member === undefined ? this.#owners(pull.request.topic) : await this.#holders(pull);
    const sources = Array.from(byEndpoint, ([endpoint, held]) => ({ endpoint, held }));
    this.#turn += 1;
    const first = this.#turn % Math.max(1, sources.length);
    return [...sources.slice(first), ...sources.slice(0, first)];
  }

  #owners(topic: string): Map<string, Assignment[]> {
    const { router } = this.#deps;
    const owners = new Map<string, Assignment[]>();
    for (let partition = 0; partition < (router.partitionsOf(topic) ?? 0); partition += 1) {
      const endpoint = router.endpointOf(topic, partition);
      if (endpoint !== undefined) {
        owners.set(endpoint, []);
      }
    }
    return owners;
  }

  async #holders({ request, limits, member }: Pull): Promise<Map<string, Assignment[]>> {
    const holders = new Map<string, Assignment[]>();
    const leftMs = limits.deadlineAtMs - ANSWER_MARGIN_MS - this.#nowMs;
    const claims = (await member?.claims(Math.max(0, Math.min(GRANT_WAIT_MS, leftMs)), limits.signal)) ?? [];
    for (const claim of claims) {
      const endpoint = this.#deps.router.endpointOf(request.topic, claim.partition) ?? claim.endpoint;
      if (endpoint !== '') {
        holders.set(endpoint, [...(holders.get(endpoint) ?? []), claim]);
      }
    }
    return holders;
  }

  /** To whoever asks next, untried. If that fails the messages come again at their deadline. */
  async #giveBack({ topic, group, consumer }: PullRequest, deliveries: readonly RawDelivery[]): Promise<void> {
    if (deliveries.length === 0) {
      return;
    }
    const entries = deliveries.map(({ receipt }) => ({ receipt, outcome: Outcome.RETURN, reason: '' }));
    const request: RawAcknowledgeRequest = { topic, group, consumer, entries };
    await acknowledge(this.#deps, request, { deadlineAtMs: this.#nowMs + RETURN_MS }).catch(() => undefined);
  }
}
