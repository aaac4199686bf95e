import {
  AdminServiceService,
  CoordinationServiceService,
  type DescribeTopicResponse,
  Durability,
  durationFromMs,
  encodeReceipt,
  GroupMode,
  HermesError,
  type HoldConsumerLeaseRequest_Join,
  Message,
  type PublishResponse,
  type RawAcknowledgeRequest,
  type RawDelivery,
  RawMessagingService,
  RawPartitionService,
  type RawPublishRequest,
  type RawSubscribeResponse,
  type SubscribeRequest,
  toStatus,
  Topic,
} from '@hermes/contracts';
import {
  createGrpcServer,
  createMetrics,
  type GrpcServer,
  type Handlers,
  notImplementedHandler,
  type ResponseStream,
  type Service,
  silentLogger,
} from '@hermes/kit';

/** Every method answers NOT_IMPLEMENTED but those given. */
function partial<S extends Service>(service: S, handlers: Partial<Handlers<S>>): Handlers<S> {
  const missing = Object.keys(service).map((name) => [name, notImplementedHandler(name)]);
  return { ...Object.fromEntries(missing), ...handlers } as Handlers<S>;
}

abstract class FakeServer {
  readonly server: GrpcServer = createGrpcServer({ logger: silentLogger, metrics: createMetrics('fake') });
  endpoint = '';

  async listen(): Promise<void> {
    this.endpoint = `127.0.0.1:${await this.server.listen('127.0.0.1', 0)}`;
  }

  kill(): Promise<void> {
    return this.server.stop(0);
  }
}

/** A subscription at a fake broker. */
export interface FakeSubscription {
  readonly request: SubscribeRequest;
  readonly stream: ResponseStream<RawSubscribeResponse>;
  send(partition: number, offset: number, body?: Uint8Array): boolean;
  end(error: HermesError): void;
}

/** A broker of two partitions at most, which stores in memory. */
export class FakeBroker extends FakeServer {
  readonly stored: { partition: number; body: string }[] = [];
  readonly subscriptions: FakeSubscription[] = [];
  readonly acknowledged: number[] = [];
  partitions: number[] = [];
  refuse: (body: string) => HermesError | undefined = () => undefined;

  constructor() {
    super();
    this.server.add(
      RawMessagingService,
      partial(RawMessagingService, {
        publishStream: async (stream) => {
          for await (const request of stream) {
            stream.write(this.#store(request));
          }
        },
        subscribe: (request, stream) => this.#subscribe(request, stream),
        acknowledge: (request) => Promise.resolve(this.#acknowledge(request)),
      }),
    );
    this.server.add(
      RawPartitionService,
      partial(RawPartitionService, {
        describeTopic: () => Promise.resolve(this.#describe()),
        readMessages: (request, stream) => {
          const [partition = 0] = request.partitions;
          const messages = this.stored
            .filter((message) => message.partition === partition)
            .slice(0, request.limit || undefined)
            .map(({ body }, offset) => ({
              messageId: `t/${partition}/0/${offset}`,
              message: Buffer.from(body),
              publishedAtMs: 1,
            }));
          stream.write({ messages });
          return Promise.resolve();
        },
      }),
    );
  }

  #store({ topic, messages, partition = 0 }: RawPublishRequest): PublishResponse {
    const results = messages.map((bytes) => {
      const body = Message.decode(bytes).body.toString();
      const error = this.refuse(body);
      if (error !== undefined) {
        return {
          outcome: { $case: 'error', value: toStatus(error) } as const,
          durability: Durability.UNSPECIFIED,
          duplicate: false,
        };
      }
      const offset = this.stored.push({ partition, body }) - 1;
      const outcome = { $case: 'messageId', value: `${topic}/${partition}/0/${offset}` } as const;
      return { outcome, durability: Durability.DURABLE, duplicate: false };
    });
    return { results };
  }

  async #subscribe(request: SubscribeRequest, stream: ResponseStream<RawSubscribeResponse>): Promise<void> {
    const { resume } = request;
    const accepted = {
      subscriptionId: resume?.subscriptionId ?? Buffer.from(`${this.endpoint} ${this.subscriptions.length}`),
      resumed: resume !== undefined,
      partitions: request.claims.map(({ partition }) => partition),
      mode: GroupMode.KEY_ORDERED,
      ackDeadline: durationFromMs(30_000),
      maxAttempts: 16,
    };
    stream.write({ frame: { $case: 'accepted', value: accepted } });
    let sequence = resume?.lastBatch ?? 0;
    await new Promise<void>((resolve, reject) => {
      stream.signal.addEventListener('abort', () => {
        resolve();
      });
      this.subscriptions.push({
        request,
        stream,
        end: reject,
        send: (partition, offset, body) => {
          sequence += 1;
          const deliveries = [delivery(partition, offset, body)];
          return stream.write({ frame: { $case: 'batch', value: { sequence, deliveries } } });
        },
      });
    });
  }

  #acknowledge({ entries }: RawAcknowledgeRequest): { results: { error: undefined }[] } {
    for (const { receipt } of entries) {
      this.acknowledged.push(Buffer.from(receipt).readUInt32BE(8));
    }
    return { results: entries.map(() => ({ error: undefined })) };
  }

  #describe(): DescribeTopicResponse {
    const numbers = { lane: 0, firstOffset: 0, nextOffset: 5, sizeBytes: 1, scheduled: 0 };
    return { lanes: this.partitions.map((partition) => ({ partition, ...numbers })) };
  }
}

/** The receipt of a delivery that a fake broker sends. */
export function receiptOf(partition: number, offset: number): Buffer {
  const tag = Buffer.alloc(16);
  return encodeReceipt({ partition, lane: 0, attempt: 1, offset, deliveryNumber: offset, consumerEpoch: 0, tag });
}

function delivery(partition: number, offset: number, body: Uint8Array = Buffer.from('b')): RawDelivery {
  const message = Message.encode({ ...Message.create(), body: Buffer.from(body) }).finish();
  const receipt = receiptOf(partition, offset);
  const rest = { lane: 0, offset, attempt: 1, redelivered: false, fencingToken: 0, publishedAtMs: 1_000 };
  return { receipt, message, partition, ...rest };
}

/** A meta-server with fixed routes, which grants every partition to everybody. */
export class FakeMeta extends FakeServer {
  readonly topics = new Map<string, string[]>();
  readonly joined: HoldConsumerLeaseRequest_Join[] = [];
  leaseStreams = 0;

  constructor() {
    super();
    this.server.add(
      CoordinationServiceService,
      partial(CoordinationServiceService, {
        watchRoutes: async (_, stream) => {
          const topics = [...this.topics].map(([topic, endpoints]) => ({
            topic,
            partitionCount: endpoints.length,
            routes: endpoints.map((endpoint, partition) => ({ partition, endpoint, epoch: 1 })),
          }));
          stream.write({ version: 1, snapshot: true, topics });
          await new Promise((resolve) => {
            stream.signal.addEventListener('abort', resolve);
          });
        },
        holdConsumerLease: async (stream) => {
          this.leaseStreams += 1;
          for await (const { kind } of stream) {
            if (kind?.$case === 'join') {
              this.joined.push(kind.value);
              const { topic, member } = kind.value;
              const assignments = (this.topics.get(topic) ?? []).map((endpoint, partition) => ({
                topic,
                partition,
                epoch: 3,
                endpoint,
                revision: 1,
                created: true,
                dataSource: '',
              }));
              const grant = { ttl: durationFromMs(10_000), sequence: 0, changed: true, assignments, member };
              stream.write({ kind: { $case: 'grant', value: grant } });
            }
          }
        },
      }),
    );
    this.server.add(
      AdminServiceService,
      partial(AdminServiceService, {
        getTopic: ({ topic }) =>
          this.topics.has(topic)
            ? Promise.resolve({ topic: { ...Topic.create(), name: topic } })
            : Promise.reject(new HermesError('TOPIC_NOT_FOUND', `topic ${topic} does not exist`)),
        createTopic: () =>
          Promise.reject(
            new HermesError('INVALID_FIELD', 'topic.name: too long', {
              violations: [{ field: 'topic.name', description: 'at most 200 bytes' }],
            }),
          ),
      }),
    );
  }
}
