import {
  type AckResult,
  fromServiceError,
  MessagingServiceService,
  PartitionServiceService,
  type RawAcknowledgeRequest,
  type RawReadMessagesResponse,
  type ReadMessagesRequest,
} from '@hermes/contracts';
import { acknowledge } from './acknowledge.js';
import { Channels, type ClientIdentity, type Method } from './channels.js';
import { type CallLimits, type Environment, systemEnvironment } from './environment.js';
import { GatewaySubscription } from './gateway-subscription.js';
import { type Link } from './link.js';
import { MetaServers } from './meta-servers.js';
import { READ_MESSAGES } from './methods.js';
import { type PartitionCalls } from './partition-calls.js';
import { Publisher } from './publisher.js';
import { gatewayRouter, type Router } from './router.js';
import { SilenceWatch } from './silence-watch.js';
import { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';
import { TopicSizes } from './topic-sizes.js';

/** A cluster behind a gateway: one address for everything. */
export class GatewayLink implements Link {
  readonly router: Router;
  readonly channels: Channels;
  readonly publisher: Publisher;
  readonly partitions: PartitionCalls;
  readonly #environment: Environment;
  readonly #endpoint: string;
  readonly #servers: MetaServers;
  readonly #sizes: TopicSizes;
  readonly #silence: SilenceWatch;

  constructor(endpoint: string, identity: ClientIdentity, environment: Environment = systemEnvironment) {
    this.#endpoint = endpoint;
    this.#environment = environment;
    this.channels = new Channels(identity, environment);
    this.router = gatewayRouter(endpoint);
    this.publisher = new Publisher({ router: this.router, channels: this.channels, environment });
    this.#servers = new MetaServers([endpoint], this.channels, environment);
    this.#sizes = new TopicSizes(this.#servers, environment);
    this.#silence = new SilenceWatch(environment);
    this.partitions = {
      getMessage: (request, limits) => this.admin(PartitionServiceService.getMessage, request, limits),
      seek: (request, limits) => this.admin(PartitionServiceService.seek, request, limits),
      listDeadLetters: (request, limits) => this.admin(PartitionServiceService.listDeadLetters, request, limits),
      redriveDeadLetters: (request, limits) => this.admin(PartitionServiceService.redriveDeadLetters, request, limits),
      discardDeadLetters: (request, limits) => this.admin(PartitionServiceService.discardDeadLetters, request, limits),
      describeTopic: (request, limits) => this.admin(PartitionServiceService.describeTopic, request, limits),
      describeGroup: (request, limits) => this.admin(PartitionServiceService.describeGroup, request, limits),
      readMessages: (request, limits) => this.#readMessages(request, limits),
    };
  }

  knownPartitions(topic: string): number | undefined {
    return this.#sizes.known(topic);
  }

  partitionsOf(topic: string, limits: CallLimits): Promise<number | undefined> {
    return this.#sizes.of(topic, limits);
  }

  forgetPartitions(topic: string): boolean {
    return this.#sizes.forget(topic);
  }

  subscribe(request: SubscriptionRequest, events: SubscriptionEvents): Subscription {
    const deps = {
      channels: this.channels,
      watch: this.#silence,
      environment: this.#environment,
      endpoint: this.#endpoint,
    };
    return new GatewaySubscription(deps, request, events);
  }

  acknowledge(request: RawAcknowledgeRequest, limits: CallLimits): Promise<AckResult[]> {
    const { router, channels } = this;
    return acknowledge({ router, channels, environment: this.#environment }, request, limits);
  }

  async cancelSchedule(scheduleId: string, limits: CallLimits): Promise<void> {
    await this.#servers.unary(MessagingServiceService.cancelSchedule, { scheduleId }, limits);
  }

  admin<Request, Response>(method: Method<Request, Response>, request: Request, limits: CallLimits): Promise<Response> {
    return this.#servers.unary(method, request, limits);
  }

  close(): void {
    this.publisher.close();
    this.channels.close();
  }

  async *#readMessages(request: ReadMessagesRequest, limits: CallLimits): AsyncGenerator<RawReadMessagesResponse> {
    const stream = this.channels.serverStream(this.#endpoint, READ_MESSAGES, request, limits);
    try {
      yield* stream as AsyncIterable<RawReadMessagesResponse>;
    } catch (error) {
      throw fromServiceError(error);
    } finally {
      stream.cancel();
    }
  }
}
