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
import { type GroupMember } from '../partition/group-member.js';
import { type GroupPump } from '../partition/group-pump.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { Subscription } from './subscription.js';

export interface SubscriberOptions {
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly timers: Timers;
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
  #ids = 0;

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
    const targets = await this.#targets(topic, settings, terms);
    const { clock, timers } = this.#options;
    this.#ids += 1;
    const subscription = new Subscription({ id: this.#ids, consumer: terms.consumer, stream, clock, timers });
    this.#open.add(subscription);
    try {
      await joinAll(subscription, targets, settings, terms);
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

  /** The claimed partitions that are served here; all served ones without claims. Throws if there is none. */
  async #targets(topic: OwnedTopic, settings: GroupSettings, { claims }: Terms): Promise<Target[]> {
    const wanted = claims.length > 0 ? claims : topic.partitions.map(unclaimed);
    if (settings.mode === 'exclusive' && claims.length === 0) {
      throw invalidField('claims', 'at least one: an EXCLUSIVE group is subscribed to by its leases');
    }
    const targets: Target[] = [];
    for (const { partition: number, consumerEpoch } of wanted) {
      if (number < 0) {
        throw invalidField('claims', `0 to ${topic.settings.partitions - 1}`);
      }
      const partition = topic.served(number);
      const pump = partition?.group(settings.name);
      if (partition !== undefined && pump !== undefined) {
        targets.push({ partition, pump, consumerEpoch });
      }
    }
    if (targets.length === 0) {
      throw await this.#options.ownership.refusal(topic.settings.name, wanted[0]?.partition, 'claims');
    }
    return targets;
  }
}

interface Target {
  readonly partition: Partition;
  readonly pump: GroupPump;
  readonly consumerEpoch: number;
}

/** Joins where the claim is not too old, and waits until EXCLUSIVE claims are durable. Throws if none is left. */
async function joinAll(
  subscription: Subscription,
  targets: readonly Target[],
  settings: GroupSettings,
  terms: Terms,
): Promise<void> {
  const credit = new Credit(terms.messages, terms.bytes);
  const ackDeadlineMs = terms.ackDeadlineMs ?? settings.ackDeadlineMs;
  const joined: { readonly target: Target; readonly member: GroupMember }[] = [];
  let refusal: HermesError | undefined;
  for (const target of targets) {
    try {
      const { consumerEpoch } = target;
      const member = target.pump.join({ subscription, consumerEpoch, ackDeadlineMs, credit });
      subscription.attach(target.partition.number, member);
      joined.push({ target, member });
    } catch (error) {
      if (!(error instanceof HermesError)) {
        throw error;
      }
      refusal ??= error;
    }
  }
  if (joined.length === 0 && refusal !== undefined) {
    throw refusal;
  }
  if (settings.mode === 'exclusive') {
    await Promise.all(
      joined.map(async ({ target: { partition, pump }, member }) => {
        const failure = await partition.settles.write(pump);
        if (failure !== undefined) {
          member.abandon(failure);
        }
      }),
    );
  }
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

function unclaimed({ number }: Partition): Claim {
  return { partition: number, consumerEpoch: 0 };
}
