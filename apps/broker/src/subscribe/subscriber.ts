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
  notImplemented,
  readDuration,
  type SubscribeRequest,
} from '@hermes/contracts';
import { Credit } from '@hermes/delivery';
import { type ResponseStream } from '@hermes/kit';
import { type Clock, type Timers } from '@hermes/runtime';
import { type GroupSettings } from '../catalog/settings.js';
import { type Ownership } from '../partition/ownership.js';
import { findTargets, joinAll, type JoinTerms } from './join-group.js';
import { Subscription } from './subscription.js';

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
  readonly messages: number;
  readonly bytes: number;
  /** Undefined: the group's. */
  readonly ackDeadlineMs: number | undefined;
}

const MODES: Readonly<Record<GroupSettings['mode'], GroupMode>> = {
  exclusive: GroupMode.EXCLUSIVE,
  shared: GroupMode.SHARED,
  keyOrdered: GroupMode.KEY_ORDERED,
};

/** Answers Subscribe: checks the request, joins the group in every claimed partition, runs the stream. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #open = new Set<Subscription>();

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  /** Streams that are open now. */
  get count(): number {
    return this.#open.size;
  }

  /** Runs one subscription; throws what ends it. */
  async subscribe(request: SubscribeRequest, stream: ResponseStream<Buffer>): Promise<never> {
    const terms = checkSubscribe(request);
    const ownership = this.#options.ownership;
    const topic = ownership.topic(request.topic);
    if (topic === undefined) {
      throw await ownership.refusal(request.topic, terms.claims[0]?.partition);
    }
    const settings = topic.groups.get(request.group);
    if (settings === undefined) {
      throw new HermesError('GROUP_NOT_FOUND', `topic ${request.topic} has no group ${request.group}`);
    }
    const targets = await findTargets(ownership, topic, settings, terms.claims);
    const { clock, timers, nextId } = this.#options;
    const subscription = new Subscription({ id: nextId(), consumer: terms.consumer, stream, clock, timers });
    this.#open.add(subscription);
    try {
      await joinAll(subscription, targets, settings, joinTermsOf(settings, terms));
      return await subscription.run(accepted(subscription, settings, terms));
    } catch (error) {
      subscription.end(error as Error);
      throw error;
    } finally {
      this.#open.delete(subscription);
    }
  }

  /** Ends every stream. */
  end(error: HermesError): void {
    for (const subscription of [...this.#open]) {
      subscription.end(error);
    }
  }
}

function joinTermsOf(settings: GroupSettings, { messages, bytes, ackDeadlineMs }: Terms): JoinTerms {
  return { credit: new Credit(messages, bytes), ackDeadlineMs: ackDeadlineMs ?? settings.ackDeadlineMs, isPull: false };
}

function accepted(
  subscription: Subscription,
  settings: GroupSettings,
  { ackDeadlineMs }: Terms,
): Parameters<Subscription['run']>[0] {
  const subscriptionId = Buffer.allocUnsafe(8);
  subscriptionId.writeBigUInt64BE(BigInt(subscription.id));
  return {
    frame: {
      $case: 'accepted',
      value: {
        subscriptionId,
        resumed: false,
        partitions: [...subscription.partitions].sort((a, b) => a - b),
        mode: MODES[settings.mode],
        ackDeadline: durationFromMs(ackDeadlineMs ?? settings.ackDeadlineMs),
        maxAttempts: settings.retry.maxAttempts,
      },
    },
  };
}

/** Throws the INVALID_FIELD or NOT_IMPLEMENTED that the request deserves, if any. */
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
  if (request.resume !== undefined) {
    throw notImplemented('resume');
  }
  return { consumer: request.consumer, claims: request.claims, messages, bytes, ackDeadlineMs: deadline };
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
