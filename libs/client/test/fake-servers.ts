import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  AdminServiceService,
  type Assignment,
  CoordinationServiceService,
  Durability,
  durationFromMs,
  encodeReceipt,
  type GetTopicRequest,
  type GetTopicResponse,
  GroupMode,
  HermesError,
  type HoldConsumerLeaseRequest,
  type HoldConsumerLeaseResponse,
  Message,
  type PublishResponse,
  type PublishStreamResponse,
  type RawAcknowledgeRequest,
  type RawDelivery,
  RawMessagingService,
  type RawPublishRequest,
  type RawSubscribeResponse,
  type Reason,
  type SubscribeRequest,
  toServiceError,
  toStatus,
  Topic,
  type WatchRoutesResponse,
} from '@hermes/contracts';

/** A gRPC server on a free port, killed without mercy. */
class FakeServer {
  port = 0;
  readonly server = new Server();

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  async listen(port = 0): Promise<void> {
    this.port = await new Promise((resolve, reject) => {
      this.server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) {
          resolve(bound);
        } else {
          reject(error);
        }
      });
    });
  }

  kill(): void {
    this.server.forceShutdown();
  }
}

const fail = (code: Reason, details: Record<string, string> = {}): ServiceError =>
  toServiceError(new HermesError(code, `fake ${code}`, { details }));

/** What a fake broker does with a frame: results by default. */
export type FrameAnswer =
  | { readonly kind: 'store' }
  | { readonly kind: 'silence' }
  | { readonly kind: 'refuse'; readonly code: Reason; readonly details?: Record<string, string> }
  | { readonly kind: 'drop' }
  | { readonly kind: 'fail'; readonly at: number; readonly code: Reason };

/** One open subscription of a fake broker. */
export interface FakeSubscription {
  readonly request: SubscribeRequest;
  readonly stream: ServerWritableStream<SubscribeRequest, RawSubscribeResponse>;
  send(partition: number, offsets: readonly number[], attempt?: number): void;
  end(code: Reason): void;
}

/** A broker that stores in memory and does as it is told. */
export class FakeBroker extends FakeServer {
  /** Bodies in the order of their storing. */
  readonly stored: { partition: number; key: string; body: string }[] = [];
  readonly subscriptions: FakeSubscription[] = [];
  readonly acknowledged: {
    consumer: string;
    entry: RawAcknowledgeRequest['entries'][number];
    partition: number;
    offset: number;
  }[] = [];
  answer: (request: RawPublishRequest) => FrameAnswer = () => ({ kind: 'store' });
  answerAck: (offset: number) => Reason | undefined = () => undefined;
  mode: GroupMode = GroupMode.KEY_ORDERED;
  ackDeadlineMs = 30_000;
  frames = 0;

  constructor() {
    super();
    this.server.addService(RawMessagingService, {
      publishStream: (stream: ServerDuplexStream<RawPublishRequest, PublishStreamResponse>) => {
        stream.on('error', () => undefined);
        stream.on('data', (request: RawPublishRequest) => {
          this.#onFrame(request, stream);
        });
        stream.on('end', () => {
          stream.end();
        });
      },
      subscribe: (stream: ServerWritableStream<SubscribeRequest, RawSubscribeResponse>) => {
        this.#onSubscribe(stream);
      },
      acknowledge: (call: ServerUnaryCall<RawAcknowledgeRequest, unknown>, callback: sendUnaryData<unknown>) => {
        const { entries, consumer } = call.request;
        const results = entries.map((entry) => {
          const receipt = Buffer.from(entry.receipt);
          const [partition, offset] = [receipt.readUInt16BE(0), receipt.readUInt32BE(8)];
          const code = this.answerAck(offset);
          if (code !== undefined) {
            return { error: toStatus(new HermesError(code, 'fake')) };
          }
          this.acknowledged.push({ consumer, entry: { ...entry, receipt }, partition, offset });
          return { error: undefined };
        });
        callback(null, { results });
      },
    });
  }

  #onFrame(request: RawPublishRequest, stream: ServerDuplexStream<RawPublishRequest, PublishStreamResponse>): void {
    this.frames += 1;
    const answer = this.answer(request);
    switch (answer.kind) {
      case 'silence':
        return;
      case 'drop':
        this.kill();
        return;
      case 'refuse':
        stream.emit('error', fail(answer.code, answer.details));
        return;
      case 'store':
        stream.write(this.#store(request));
        return;
      case 'fail': {
        const response = this.#store({ ...request, messages: request.messages.filter((_, at) => at !== answer.at) });
        const error = { $case: 'error', value: toStatus(new HermesError(answer.code, 'fake')) } as const;
        response.results.splice(answer.at, 0, { outcome: error, durability: Durability.UNSPECIFIED, duplicate: false });
        stream.write(response);
      }
    }
  }

  #store({ topic, messages, partition = 0 }: RawPublishRequest): PublishResponse {
    const results = messages.map((bytes) => {
      const { body, key } = Message.decode(bytes);
      const offset = this.stored.push({ partition, key, body: body.toString() }) - 1;
      const outcome = { $case: 'messageId', value: `${topic}/${partition}/0/${offset}` } as const;
      return { outcome, durability: Durability.DURABLE, duplicate: false };
    });
    return { results };
  }

  #onSubscribe(stream: ServerWritableStream<SubscribeRequest, RawSubscribeResponse>): void {
    const { request } = stream;
    let sequence = 0;
    stream.on('error', () => undefined);
    const accepted = {
      subscriptionId: Buffer.from('x'),
      resumed: false,
      partitions: request.claims.map(({ partition }) => partition),
      mode: this.mode,
      ackDeadline: durationFromMs(this.ackDeadlineMs),
      maxAttempts: 16,
    };
    stream.write({ frame: { $case: 'accepted', value: accepted } });
    this.subscriptions.push({
      request,
      stream,
      send: (partition, offsets, attempt = 1) => {
        sequence += 1;
        const deliveries = offsets.map((offset) => delivery(partition, offset, attempt));
        stream.write({ frame: { $case: 'batch', value: { sequence, deliveries } } });
      },
      end: (code) => {
        stream.emit('error', fail(code));
      },
    });
  }
}

function delivery(partition: number, offset: number, attempt: number): RawDelivery {
  const message = Message.encode({ ...Message.create(), body: Buffer.from(JSON.stringify({ offset })) }).finish();
  const receipt = encodeReceipt({
    partition,
    lane: 0,
    attempt,
    offset,
    deliveryNumber: offset,
    consumerEpoch: 0,
    tag: Buffer.alloc(16),
  });
  return {
    receipt,
    message,
    partition,
    lane: 0,
    offset,
    attempt,
    redelivered: attempt > 1,
    fencingToken: 0,
    publishedAtMs: 1_000,
  };
}

/** A meta-server with a table of routes, which grants every partition to everybody. */
export class FakeMeta extends FakeServer {
  readonly topics = new Map<string, { endpoint: string; epoch: number }[]>();
  readonly leases = new Map<string, ServerDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>>();
  readonly released: Assignment[] = [];
  readonly #watchers = new Set<ServerWritableStream<unknown, WatchRoutesResponse>>();
  epoch = 1;

  constructor() {
    super();
    this.server.addService(CoordinationServiceService, {
      watchRoutes: (stream: ServerWritableStream<unknown, WatchRoutesResponse>) => {
        stream.on('error', () => undefined);
        stream.on('close', () => this.#watchers.delete(stream));
        this.#watchers.add(stream);
        stream.write({
          version: 1,
          snapshot: true,
          topics: [...this.topics.keys()].map((topic) => this.#routes(topic)),
        });
      },
      holdConsumerLease: (stream: ServerDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>) => {
        stream.on('error', () => undefined);
        stream.on('data', ({ kind }: HoldConsumerLeaseRequest) => {
          if (kind?.$case === 'join') {
            const { member, topic, consumer } = kind.value;
            this.leases.set(consumer, stream);
            this.grant(consumer, member, topic);
          } else if (kind?.$case === 'heartbeat') {
            stream.write({
              kind: {
                $case: 'grant',
                value: {
                  ttl: durationFromMs(10_000),
                  sequence: kind.value.sequence,
                  changed: false,
                  assignments: [],
                  member: 0,
                },
              },
            });
          } else if (kind?.$case === 'released' && kind.value.assignment !== undefined) {
            this.released.push(kind.value.assignment);
          }
        });
        stream.on('end', () => {
          stream.end();
        });
      },
    });
    this.server.addService(AdminServiceService, {
      getTopic: (
        call: ServerUnaryCall<GetTopicRequest, GetTopicResponse>,
        callback: sendUnaryData<GetTopicResponse>,
      ) => {
        const { topic } = call.request;
        if (this.topics.has(topic)) {
          callback(null, { topic: { ...Topic.create(), name: topic } });
        } else {
          callback(fail('TOPIC_NOT_FOUND'));
        }
      },
    });
  }

  /** Sets the owners of a topic's partitions and tells everybody. */
  route(topic: string, endpoints: readonly string[]): void {
    this.epoch += 1;
    const { epoch } = this;
    this.topics.set(
      topic,
      endpoints.map((endpoint) => ({ endpoint, epoch })),
    );
    for (const watcher of this.#watchers) {
      watcher.write({ version: epoch, snapshot: false, topics: [this.#routes(topic)] });
    }
  }

  grant(consumer: string, member: number, topic: string, partitions?: readonly number[]): void {
    const all = (this.topics.get(topic) ?? []).map((_, partition) => partition);
    const assignments = (partitions ?? all).map((partition) => this.assignment(topic, partition));
    const grant = { ttl: durationFromMs(10_000), sequence: 0, changed: true, assignments, member };
    this.leases.get(consumer)?.write({ kind: { $case: 'grant', value: grant } });
  }

  assignment(topic: string, partition: number): Assignment {
    return { topic, partition, epoch: 7, endpoint: '', revision: 1, created: true, dataSource: '' };
  }

  #routes(topic: string): WatchRoutesResponse['topics'][number] {
    const routes = (this.topics.get(topic) ?? []).map((route, partition) => ({ partition, ...route }));
    return { topic, partitionCount: routes.length, routes };
  }
}
