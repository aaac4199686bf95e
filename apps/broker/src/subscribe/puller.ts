import {
  HermesError,
  LIMITS,
  type PullRequest,
  type PullTerms,
  pullTermsOf,
  type RawDelivery,
  type RawPullResponse,
} from '@hermes/contracts';
import { type Call, type SubscriptionStream } from '@hermes/kit';
import { Serial, sleep } from '@hermes/runtime';
import { PullCollector } from './pull-collector.js';
import { findTargets, joinAll } from './join-group.js';
import { type SubscriberOptions } from './subscriber.js';
import { Subscription } from './subscription.js';

/** Left of the caller's deadline for the answer to reach it. */
const ANSWER_MARGIN_MS = 50;
/** After the first messages, what comes within this goes along. */
const GATHER_MS = 5;

interface RunningPull {
  readonly subscription: Subscription;
  readonly stream: SubscriptionStream<Buffer>;
  readonly collector: PullCollector;
}

/** Answers Pull: takes part in the group for one answer; what that holds stays with the consumer until its deadline. */
export class Puller {
  readonly #options: SubscriberOptions;
  /** Of an EXCLUSIVE consumer one pull at a time: the later one would fence the earlier. */
  readonly #exclusive = new Map<string, Serial>();

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  async pull(request: PullRequest, call: Call): Promise<RawPullResponse> {
    const terms = pullTermsOf(request);
    const { ownership } = this.#options;
    const topic = ownership.topic(request.topic);
    if (topic === undefined) {
      throw await ownership.refusal(request.topic, request.claims[0]?.partition);
    }
    const settings = topic.groups.get(request.group);
    if (settings === undefined) {
      throw new HermesError('GROUP_NOT_FOUND', `topic ${request.topic} has no group ${request.group}`);
    }
    const run = async (): Promise<RawPullResponse> => {
      const targets = await findTargets(ownership, topic, settings, request.claims);
      const collector = new PullCollector(call);
      const { clock, timers, nextId } = this.#options;
      const subscription = new Subscription({
        id: nextId(),
        consumer: terms.consumer,
        credit: { messages: terms.messages, bytes: LIMITS.frameBytes },
        name: '',
        clock,
        timers,
      });
      const stream = subscription.connect(collector);
      const ackDeadlineMs = terms.ackDeadlineMs ?? settings.ackDeadlineMs;
      try {
        await joinAll(subscription, targets, settings, { ackDeadlineMs, isPull: true });
        return { deliveries: await this.#collect({ subscription, stream, collector }, terms, call) };
      } catch (error) {
        subscription.end(error as Error);
        throw error;
      }
    };
    return settings.mode === 'exclusive' ? this.#serial(request).run(run) : run();
  }

  /** Waits for the first message, and a moment for those that come with it; then the messages are the caller's. */
  async #collect(
    { subscription, stream, collector }: RunningPull,
    { messages, waitMs }: PullTerms,
    call: Call,
  ): Promise<RawDelivery[]> {
    const { timers } = this.#options;
    const ended = stream.over.catch((error: unknown) => error as Error);
    stream.start({ frame: undefined });
    const patienceMs = Math.max(GATHER_MS, Math.min(waitMs, call.deadlineMs - ANSWER_MARGIN_MS));
    const failure = await Promise.race([ended, collector.first, sleep(timers, patienceMs)]);
    if (failure instanceof Error && collector.deliveries.length === 0) {
      throw failure;
    }
    if (collector.deliveries.length > 0 && collector.deliveries.length < messages) {
      await sleep(timers, GATHER_MS);
    }
    call.signal.throwIfAborted();
    subscription.retire(new HermesError('DRAINING', 'the pull is answered'));
    return collector.deliveries;
  }

  #serial({ topic, group, consumer }: PullRequest): Serial {
    const key = `${topic}/${group}/${consumer}`;
    const serial = this.#exclusive.get(key) ?? new Serial();
    this.#exclusive.set(key, serial);
    if (this.#exclusive.size > CONSUMERS_MAX) {
      const oldest = this.#exclusive.keys().next();
      this.#exclusive.delete(oldest.value ?? key);
    }
    return serial;
  }
}

/** EXCLUSIVE consumers whose order of pulls is kept; a forgotten one's pulls may fence each other, no more. */
const CONSUMERS_MAX = 10_000;
