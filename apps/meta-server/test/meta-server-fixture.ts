import { join } from 'node:path';

import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  type MethodDefinition,
} from '@grpc/grpc-js';
import {
  AdminServiceService,
  CoordinationServiceClient,
  fromServiceError,
  type GroupMode,
  type HermesError,
  Topic,
} from '@hermes/contracts';
import { silentLogger } from '@hermes/kit';
import { temporaryDirectory } from '@hermes/testing';

import { type MetaServerDependencies } from '../src/app.js';
import { metaServerConfig, type RunningMetaServer, startMetaServer } from '../src/index.js';
import { FakeBroker, type FakeBrokerOptions } from './fake-broker.js';
import { FakeConsumer } from './fake-consumer.js';

/** Short, so that tests see leases end. */
export const TTL_MS = 600;
/** Time for calls that are meant to succeed. */
const DEADLINE_MS = 10_000;

type UnaryCall<M> = M extends {
  requestSerialize: (request: infer Request) => Buffer;
  responseDeserialize: (bytes: Buffer) => infer Response;
}
  ? (request: Request, options?: { readonly deadlineMs?: number }) => Promise<Response>
  : never;

/** AdminService with promises; failures are HermesError. */
export type AdminCalls = {
  readonly [M in keyof typeof AdminServiceService]: UnaryCall<(typeof AdminServiceService)[M]>;
};

/** A real meta-server on free ports with its clients and fake brokers; everything ends with `stop`. */
export class MetaServerFixture {
  readonly #directory = temporaryDirectory();
  readonly #clients: Client[] = [];
  readonly #brokers: FakeBroker[] = [];
  /** What the server said when it could not go on. */
  readonly fatal: unknown[] = [];
  server!: RunningMetaServer;
  admin!: AdminCalls;
  coordination!: CoordinationServiceClient;

  get url(): string {
    return `sqlite:${join(this.#directory.path, 'meta.db')}`;
  }

  /** Starts, or starts again on the same database. */
  async start(settings: Record<string, unknown> = {}, dependencies: MetaServerDependencies = {}): Promise<this> {
    const config = metaServerConfig.parse({
      ...{ metaPort: 0, metaOpsPort: 0, brokerLeaseTtlMs: TTL_MS, consumerLeaseTtlMs: TTL_MS },
      metadataUrl: this.url,
      ...settings,
    });
    const onFatal = (error: unknown): void => {
      this.fatal.push(error);
    };
    this.server = await startMetaServer(config, { logger: silentLogger, onFatal, ...dependencies });
    this.admin = adminCalls(this.#client(Client));
    this.coordination = this.#client(CoordinationServiceClient);
    return this;
  }

  /** A client of its own connection. */
  newCoordination(): CoordinationServiceClient {
    return this.#client(CoordinationServiceClient);
  }

  broker(options: Partial<FakeBrokerOptions> = {}): FakeBroker {
    const broker = new FakeBroker(this.newCoordination(), {
      name: 'b1',
      incarnation: 1,
      endpoint: '127.0.0.1:1',
      dataDirectory: 'd1',
      ttlMs: TTL_MS,
      ...options,
    });
    this.#brokers.push(broker);
    return broker;
  }

  /** A stream of consumers on its own connection. */
  consumer(): FakeConsumer {
    return new FakeConsumer(this.newCoordination());
  }

  /** So many streams of consumers, spread over so many connections. */
  consumersOn(connections: number, count: number): FakeConsumer[] {
    const clients = Array.from({ length: connections }, () => this.newCoordination());
    return Array.from({ length: count }, (_, i) => new FakeConsumer(clients[i % connections]!));
  }

  async createTopic(name: string, partitions: number): Promise<void> {
    await this.admin.createTopic({ topic: Topic.fromPartial({ name, partitions }) });
  }

  async createGroup(topic: string, name: string, mode: GroupMode): Promise<void> {
    const blank = { filter: '', deadLetterExpired: false, paused: false, uid: 0, etag: '', state: 0 };
    await this.admin.createGroup({ group: { topic, name, mode, ...blank } });
  }

  async stopServer(): Promise<void> {
    await this.server.stop({ deadlineMs: 500 });
    for (const client of this.#clients.splice(0)) {
      client.close();
    }
  }

  async stop(): Promise<void> {
    for (const broker of this.#brokers.splice(0)) {
      broker.crash();
    }
    await this.stopServer();
    this.#directory.remove();
  }

  #client<T extends Client>(
    Type: new (address: string, credentials: ChannelCredentials, options: ChannelOptions) => T,
  ): T {
    // Else grpc-js leads all clients of a process through one connection.
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    const client = new Type(`127.0.0.1:${this.server.port}`, credentials.createInsecure(), options);
    this.#clients.push(client);
    return client;
  }
}

function adminCalls(client: Client): AdminCalls {
  const calls = Object.entries(AdminServiceService).map(([name, method]) => [
    name,
    (request: never, { deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = method as unknown as MethodDefinition<never, unknown>;
        const options = { deadline: Date.now() + deadlineMs };
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options, (error, response) => {
          if (error === null) {
            resolve(response);
          } else {
            reject(fromServiceError(error));
          }
        });
      }),
  ]);
  return Object.fromEntries(calls) as AdminCalls;
}

/** The failure of a call that is meant to fail. */
export async function failureOf(promise: Promise<unknown>): Promise<HermesError> {
  return promise.then(
    () => {
      throw new Error('the call was meant to fail');
    },
    (error: unknown) => error as HermesError,
  );
}
