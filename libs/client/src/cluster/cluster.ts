import {
  type AckResult,
  AdminServiceService,
  GroupMode,
  HermesError,
  LIMITS,
  parseScheduleId,
  type RawAcknowledgeRequest,
  durationFromMs,
  fromServiceError,
  type PullRequest,
  pullTermsOf,
  type RawPullResponse,
  type SubscribeAccepted,
} from '@hermes/contracts';
import { acknowledge } from './acknowledge.js';
import { cancelSchedule } from './cancel-schedule.js';
import { Channels, type ClientIdentity, type Method } from './channels.js';
import { ClusterPartitionCalls } from './cluster-partition-calls.js';
import { ClusterSubscription } from './cluster-subscription.js';
import { ConsumerLeases } from './consumer-leases.js';
import { type CallLimits, type Environment, systemEnvironment } from './environment.js';
import { failureOf, partitionMoving } from './failure.js';
import { type Link } from './link.js';
import { MetaServers } from './meta-servers.js';
import { PullMembers } from './pull-members.js';
import { Pulls } from './pulls.js';
import { Publisher } from './publisher.js';
import { RouteTable } from './route-table.js';
import { RouteWatch } from './route-watch.js';
import { type Router, routerOf } from './router.js';
import { SilenceWatch } from './silence-watch.js';
import { type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';

/** How long a topic that is not in the table may still come with the first snapshot. */
const SNAPSHOT_WAIT_MS = 1_000;
/** A topic that was just created shows up in the routes within this, or is asked for again. */
const ROUTE_WAIT_MS = 250;
/** Left of the caller's deadline for the answer to reach it. */
const ANSWER_MARGIN_MS = 50;

/** How to reach a cluster. */
export interface ClusterOptions {
  readonly metaServers: readonly string[];
  readonly identity: ClientIdentity;
  readonly environment?: Environment;
  /** Bytes of messages that may be on their way. */
  readonly publishBytesMax?: number;
}

/** A cluster, seen from its clients: routes from the meta-servers, calls to the owners. */
export class Cluster implements Link {
  readonly router: Router;
  readonly channels: Channels;
  readonly publisher: Publisher;
  readonly partitions: ClusterPartitionCalls;
  readonly #environment: Environment;
  readonly #servers: MetaServers;
  readonly #table = new RouteTable();
  readonly #watch: RouteWatch;
  readonly #leases: ConsumerLeases;
  readonly #silence: SilenceWatch;
  readonly #pulls: Pulls;
  readonly #pullMembers: PullMembers;

  constructor({ metaServers, identity, environment = systemEnvironment, publishBytesMax }: ClusterOptions) {
    this.#environment = environment;
    this.channels = new Channels(identity, environment);
    this.router = routerOf(this.#table);
    this.#servers = new MetaServers(metaServers, this.channels, environment);
    this.#watch = new RouteWatch(this.#table, this.#servers, environment);
    this.#leases = new ConsumerLeases(this.#servers, environment);
    this.#silence = new SilenceWatch(environment);
    const routing = { router: this.router, channels: this.channels, environment };
    this.publisher = new Publisher(routing, publishBytesMax);
    this.#pulls = new Pulls(routing);
    this.#pullMembers = new PullMembers(this.#leases, environment, (name) => this.#termsOf(name));
    this.partitions = new ClusterPartitionCalls(routing, (topic, limits) => this.partitionsOf(topic, limits));
  }

  /** Begins to follow the routes. */
  start(): void {
    this.#watch.start();
  }

  close(): void {
    this.publisher.close();
    this.#leases.close();
    this.#watch.stop();
    this.channels.close();
  }

  /** True while the routes follow a meta-server. */
  get fresh(): boolean {
    return this.#watch.fresh;
  }

  /** Resolves once the routes are known. */
  get ready(): Promise<void> {
    return this.#watch.filled;
  }

  /** Number of consumers that hold leases through this process. */
  get members(): number {
    return this.#leases.size;
  }

  knownPartitions(topic: string): number | undefined {
    return this.router.partitionsOf(topic);
  }

  /** Routes come by themselves. */
  forgetPartitions(): boolean {
    return false;
  }

  async partitionsOf(topic: string, limits: CallLimits): Promise<number> {
    const { clock } = this.#environment;
    const deadlineAtMs = limits.deadlineAtMs - ANSWER_MARGIN_MS;
    let last: HermesError | undefined;
    for (let round = 0; ; round += 1) {
      const partitions = this.router.partitionsOf(topic);
      if (partitions !== undefined) {
        return partitions;
      }
      const leftMs = deadlineAtMs - clock.monotonicMs();
      if (leftMs <= 0 || limits.signal?.aborted === true) {
        throw partitionMoving(topic, undefined, last);
      }
      if (round === 0 && !this.#watch.fresh) {
        await this.#routesChange(Math.min(SNAPSHOT_WAIT_MS, leftMs), limits.signal);
        continue;
      }
      last = await this.#askFor(topic, { ...limits, deadlineAtMs });
      await this.#routesChange(Math.min(ROUTE_WAIT_MS, leftMs), limits.signal);
    }
  }

  /** `knowsInFlight`: the subscription can tell what is in flight, whatever the group. */
  subscribe(request: SubscriptionRequest, events: SubscriptionEvents, knowsInFlight = false): ClusterSubscription {
    const deps = {
      router: this.router,
      channels: this.channels,
      leases: this.#leases,
      watch: this.#silence,
      environment: this.#environment,
      terms: () => this.#termsOf(request),
      knowsInFlight,
    };
    return new ClusterSubscription(deps, request, events);
  }

  async cancelSchedule(scheduleId: string, limits: CallLimits): Promise<void> {
    const topic = parseScheduleId(scheduleId)?.topic;
    if (topic !== undefined) {
      await this.partitionsOf(topic, limits);
    }
    const { router, channels } = this;
    await cancelSchedule({ router, channels, environment: this.#environment }, scheduleId, limits);
  }

  /** Deliveries for a consumer, once. Rejects with PARTITION_MOVING if no owner could be asked before the deadline. */
  async pull(request: PullRequest, limits: CallLimits): Promise<RawPullResponse> {
    const { ackDeadlineMs } = pullTermsOf(request);
    await this.partitionsOf(request.topic, limits);
    const member = await this.#pullMembers.of(request, ackDeadlineMs);
    try {
      return { deliveries: await this.#pulls.pull(request, limits, member) };
    } catch (error) {
      this.#pullMembers.failed(request, fromServiceError(error));
      throw error;
    }
  }

  async acknowledge(request: RawAcknowledgeRequest, limits: CallLimits): Promise<AckResult[]> {
    const { router, channels } = this;
    const results = await acknowledge({ router, channels, environment: this.#environment }, request, limits);
    this.#pullMembers.settled(request, results);
    return results;
  }

  admin<Request, Response>(method: Method<Request, Response>, request: Request, limits: CallLimits): Promise<Response> {
    return this.#servers.unary(method, request, limits);
  }

  /** Throws TOPIC_NOT_FOUND; otherwise the topic exists, or (the returned error) nobody could tell. */
  async #askFor(topic: string, limits: CallLimits): Promise<HermesError | undefined> {
    try {
      await this.#servers.unary(AdminServiceService.getTopic, { topic }, limits);
      return undefined;
    } catch (thrown) {
      const error = thrown as HermesError;
      if (failureOf(error) === 'final') {
        throw error;
      }
      return error;
    }
  }

  #routesChange(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        stopListening();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#environment.timers.after(withinMs, done);
      const stopListening = this.router.onChange(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  async #termsOf({ topic, group }: { readonly topic: string; readonly group: string }): Promise<SubscribeAccepted> {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + LIMITS.clientDeadlineMs;
    const response = await this.#servers.unary(AdminServiceService.getGroup, { topic, group }, { deadlineAtMs });
    const found = response.group;
    if (found === undefined) {
      throw new HermesError('GROUP_NOT_FOUND', `group ${topic}/${group} does not exist`);
    }
    return {
      subscriptionId: Buffer.alloc(0),
      resumed: false,
      partitions: [],
      mode: found.mode === GroupMode.UNSPECIFIED ? GroupMode.KEY_ORDERED : found.mode,
      ackDeadline: found.ackDeadline ?? durationFromMs(LIMITS.ackDeadlineMs.default),
      maxAttempts: found.retry?.maxAttempts ?? LIMITS.maxAttempts.default,
    };
  }
}
