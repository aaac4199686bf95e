import { randomBytes } from 'node:crypto';
import {
  type Claim,
  checkGroupName,
  checkName,
  checkTopicName,
  durationFromMs,
  GroupMode,
  HermesError,
  invalidField,
  LIMITS,
  readDuration,
  type Resume,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type ControlResponse, type ResponseStream } from '@hermes/kit';
import { type Clock, type Timers } from '@hermes/runtime';
import { type GroupSettings } from '../catalog/settings.js';
import { type Ownership } from '../partition/ownership.js';
import { findTargets, joinAll, type Target } from './join-group.js';
import { type CreditTerms, Subscription } from './subscription.js';

export interface SubscriberOptions {
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Numbers streams and pulls; never repeats one. */
  readonly nextId: () => number;
}

/** A request whose fields are all within their limits. */
interface Terms {
  readonly consumer: string;
  readonly claims: readonly Claim[];
  readonly credit: CreditTerms;
  /** Undefined: the group's. */
  readonly ackDeadlineMs: number | undefined;
  readonly resume: Resume | undefined;
}

/** A subscription, and whose it is. */
interface Known {
  readonly subscription: Subscription;
  readonly groupId: number;
}

/** One stream of a subscription. */
interface Run {
  readonly subscription: Subscription;
  readonly terms: Terms;
  readonly settings: GroupSettings;
  readonly targets: readonly Target[];
  /** Those in which the subscription takes part already, since it is resumed. */
  readonly kept: readonly Target[];
  readonly stream: ResponseStream<Buffer>;
}

/** So many that nobody guesses one. */
const TOKEN_BYTES = 16;

const MODES: Readonly<Record<GroupSettings['mode'], GroupMode>> = {
  exclusive: GroupMode.EXCLUSIVE,
  shared: GroupMode.SHARED,
  keyOrdered: GroupMode.KEY_ORDERED,
};

/**
 * Answers Subscribe: checks the request, joins the group in every claimed partition, or finds the subscription that it
 * resumes, and runs the stream.
 */
export class Subscriber {
  readonly #options: SubscriberOptions;
  /** By name, those included that wait for their consumers to come back. */
  readonly #subscriptions = new Map<string, Known>();
  #streams = 0;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  /** Streams that are open now. */
  get count(): number {
    return this.#streams;
  }

  /** Runs one subscription; throws what ends its stream. */
  async subscribe(request: SubscribeRequest, stream: ResponseStream<Buffer>): Promise<never> {
    const terms = checkSubscribe(request);
    const ownership = this.#options.ownership;
    const claimed = terms.claims.map(({ partition }) => partition);
    await ownership.opening(request.topic, claimed);
    const topic = ownership.topic(request.topic);
    if (topic === undefined) {
      throw await ownership.refusal(request.topic, terms.claims[0]?.partition);
    }
    const settings = topic.groups.get(request.group);
    if (settings === undefined) {
      throw new HermesError('GROUP_NOT_FOUND', `topic ${request.topic} has no group ${request.group}`);
    }
    const targets = await findTargets(ownership, topic, settings, terms.claims);
    const { known, kept } = this.#find(terms, settings, targets);
    this.#streams += 1;
    try {
      return await this.#run({ subscription: known.subscription, terms, settings, targets, kept, stream });
    } finally {
      this.#streams -= 1;
    }
  }

  /** Ends every subscription. */
  end(error: HermesError): void {
    for (const { subscription } of [...this.#subscriptions.values()]) {
      subscription.end(error);
    }
  }

  async #run({ subscription, terms, settings, targets, kept, stream }: Run): Promise<never> {
    const isResumed = kept.length > 0;
    const ackDeadlineMs = terms.ackDeadlineMs ?? settings.ackDeadlineMs;
    const call = subscription.connect(stream);
    try {
      if (isResumed) {
        const partitions = new Set(kept.map(({ partition }) => partition.number));
        subscription.resume(terms.resume?.lastBatch ?? 0, { partitions, credit: terms.credit, ackDeadlineMs });
      }
      const others = targets.filter((target) => !kept.includes(target));
      const { resume } = terms;
      await joinAll(subscription, others, settings, { ackDeadlineMs, resume, isPull: false });
      const hasInherited = others.some(
        ({ pump, consumerEpoch }) => pump.member(subscription.id, consumerEpoch)?.hasInherited,
      );
      if (hasInherited && !isResumed) {
        subscription.continueAfter(resume?.lastBatch ?? 0);
      }
      call.start(accepted(subscription, settings, ackDeadlineMs, isResumed || hasInherited));
    } catch (error) {
      subscription.end(error as Error);
      throw error;
    }
    return call.over;
  }

  #open({ consumer, credit }: Terms, { id: groupId }: GroupSettings): Known {
    const { clock, timers, nextId } = this.#options;
    const name = randomBytes(TOKEN_BYTES).toString('hex');
    const subscription = new Subscription({
      ...{ id: nextId(), name, consumer, credit, clock, timers },
      onEnded: () => {
        this.#subscriptions.delete(name);
      },
    });
    const known = { subscription, groupId };
    this.#subscriptions.set(name, known);
    return known;
  }

  /**
   * What is resumed, if it is still there and has some of these partitions; else a new one: partitions may have left the
   * old one, which goes on with the others. Throws INVALID_FIELD if it never sent what the consumer says it got.
   */
  #find(
    terms: Terms,
    settings: GroupSettings,
    targets: readonly Target[],
  ): { readonly known: Known; readonly kept: readonly Target[] } {
    const { consumer, resume } = terms;
    const known = resume && this.#subscriptions.get(Buffer.from(resume.subscriptionId).toString('hex'));
    if (resume === undefined || known?.groupId !== settings.id || known.subscription.consumer !== consumer) {
      return { known: this.#open(terms, settings), kept: [] };
    }
    const { id, lastBatch } = known.subscription;
    const kept = targets.filter(({ pump, consumerEpoch }) => pump.member(id, consumerEpoch) !== undefined);
    if (kept.length === 0) {
      return { known: this.#open(terms, settings), kept };
    }
    if (resume.lastBatch > lastBatch) {
      throw invalidField('resume.last_batch', `at most ${lastBatch}: no later batch was sent`);
    }
    return { known, kept };
  }
}

function accepted(
  subscription: Subscription,
  settings: GroupSettings,
  ackDeadlineMs: number,
  resumed: boolean,
): ControlResponse {
  return {
    frame: {
      $case: 'accepted',
      value: {
        subscriptionId: Buffer.from(subscription.name, 'hex'),
        resumed,
        partitions: [...subscription.partitions].sort((a, b) => a - b),
        mode: MODES[settings.mode],
        ackDeadline: durationFromMs(ackDeadlineMs),
        maxAttempts: settings.retry.maxAttempts,
      },
    },
  };
}

/** Throws the INVALID_FIELD that the request deserves, if any. */
export function checkSubscribe(request: SubscribeRequest): Terms {
  const { inFlightMessages, inFlightBytes, ackDeadlineMs } = LIMITS;
  throwIf(checkTopicName(request.topic) ?? checkGroupName(request.group) ?? checkName(request.consumer, 'consumer'));
  const messages = within('max_in_flight_messages', request.maxInFlightMessages, inFlightMessages);
  const bytes = within('max_in_flight_bytes', request.maxInFlightBytes, inFlightBytes);
  const deadline = request.ackDeadline && readDuration('ack_deadline', request.ackDeadline, ackDeadlineMs);
  if (deadline instanceof HermesError) {
    throw deadline;
  }
  if (request.claims.length > LIMITS.partitions.max) {
    throw invalidField('claims', `at most ${LIMITS.partitions.max}`);
  }
  if (new Set(request.claims.map(({ partition }) => partition)).size < request.claims.length) {
    throw invalidField('claims', 'each partition at most once');
  }
  const { consumer, claims, resume } = request;
  return { consumer, claims, credit: { messages, bytes }, ackDeadlineMs: deadline, resume };
}

function within(
  field: string,
  value: number | undefined,
  bounds: { readonly default: number; readonly min: number; readonly max: number },
): number {
  if (value !== undefined && (value < bounds.min || value > bounds.max)) {
    throw invalidField(field, `${bounds.min} to ${bounds.max}`);
  }
  return value ?? bounds.default;
}

function throwIf(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}
