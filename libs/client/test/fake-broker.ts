import {
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import {
  Durability,
  durationFromMs,
  encodeReceipt,
  GroupMode,
  HermesError,
  Message,
  type PublishResponse,
  type PublishResult,
  type PublishStreamResponse,
  type RawAcknowledgeRequest,
  type RawDelivery,
  RawMessagingService,
  RawPartitionService,
  type RawPublishRequest,
  type RawSubscribeResponse,
  type Reason,
  type SubscribeRequest,
  toStatus,
} from '@hermes/contracts';
import { fail, FakeServer } from './fake-server.js';

/** What a fake broker does with a frame: results by default. */
export type FrameAnswer =
  | { readonly kind: 'store' }
  | { readonly kind: 'silence' }
  | {
      readonly kind: 'refuse';
      readonly code: Reason;
      readonly details?: Record<string, string>;
      readonly retryAfterMs?: number;
      /** The field that is wrong. */
      readonly field?: string;
    }
  | { readonly kind: 'drop' }
  /** It is stored, and the stream breaks before the answer. */
  | { readonly kind: 'lose' }
  | { readonly kind: 'fail'; readonly at: number; readonly code: Reason };

/** A producer's number for a message. */
export interface PublishNumber {
  readonly producerId: number;
  readonly sequence: number;
}

/** One open subscription of a fake broker. */
export interface FakeSubscription {
  readonly request: SubscribeRequest;
  readonly stream: ServerWritableStream<SubscribeRequest, RawSubscribeResponse>;
  send(partition: number, offsets: readonly number[], attempt?: number): void;
  /** Nothing more comes of these partitions. */
  drain(partitions: number[]): void;
  end(code: Reason, details?: Record<string, string>): void;
  /** Its connection breaks. */
  break(): void;
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
  /** Answers to acknowledgements wait for it. */
  beforeAnswer: () => Promise<void> = () => Promise.resolve();
  /** Numbers that came, in the order of the messages; none for what has none. */
  readonly numbers: (PublishNumber | undefined)[] = [];
  readonly #known = new Map<string, PublishResult>();
  readonly #publishing = new Set<ServerDuplexStream<RawPublishRequest, PublishStreamResponse>>();
  mode: GroupMode = GroupMode.KEY_ORDERED;
  ackDeadlineMs = 30_000;
  frames = 0;
  /** Broken subscriptions can be resumed. */
  keepsBroken = true;
  /** Open ReadMessages calls, which never get a message. */
  reads = 0;
  /** Partitions that it does not serve (yet), though routes lead here. */
  readonly unserved = new Set<number>();

  constructor() {
    super();
    this.server.addService(RawMessagingService, {
      publishStream: (stream: ServerDuplexStream<RawPublishRequest, PublishStreamResponse>) => {
        stream.on('error', () => undefined);
        this.#publishing.add(stream);
        stream.on('close', () => this.#publishing.delete(stream));
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
        void this.beforeAnswer().then(() => {
          callback(null, { results });
        });
      },
    });
    this.server.addService(RawPartitionService, {
      readMessages: (stream: ServerWritableStream<unknown, unknown>) => {
        stream.on('error', () => undefined);
        this.reads += 1;
      },
    });
  }

  /** The connections of all who publish break. */
  breakPublishing(): void {
    for (const stream of this.#publishing) {
      stream.emit('error', { code: status.UNAVAILABLE, details: 'connection lost' });
    }
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
        stream.emit('error', fail(answer.code, { ...answer, violations: violationsOf(answer.field) }));
        return;
      case 'store':
        stream.write(this.#store(request));
        return;
      case 'lose':
        this.#store(request);
        stream.emit('error', { code: status.UNAVAILABLE, details: 'connection lost' });
        return;
      case 'fail': {
        const response = this.#store({ ...request, messages: request.messages.filter((_, at) => at !== answer.at) });
        const error = { $case: 'error', value: toStatus(new HermesError(answer.code, 'fake')) } as const;
        response.results.splice(answer.at, 0, { outcome: error, durability: Durability.UNSPECIFIED, duplicate: false });
        stream.write(response);
      }
    }
  }

  /** What has a number is stored once. */
  #store({ topic, messages, partition = 0, producerId, firstSequence }: RawPublishRequest): PublishResponse {
    const results = messages.map((bytes, index): PublishResult => {
      const number =
        producerId === undefined || firstSequence === undefined
          ? undefined
          : { producerId, sequence: firstSequence + index };
      this.numbers.push(number);
      const identity = number && `${number.producerId}/${partition}/${number.sequence}`;
      const known = this.#known.get(identity ?? '');
      if (known !== undefined) {
        return { ...known, duplicate: true };
      }
      const { body, key } = Message.decode(bytes);
      const offset = this.stored.push({ partition, key, body: body.toString() }) - 1;
      const outcome = { $case: 'messageId', value: `${topic}/${partition}/0/${offset}` } as const;
      const result = { outcome, durability: Durability.DURABLE, duplicate: false };
      if (identity !== undefined) {
        this.#known.set(identity, result);
      }
      return result;
    });
    return { results };
  }

  #onSubscribe(stream: ServerWritableStream<SubscribeRequest, RawSubscribeResponse>): void {
    const { request } = stream;
    const { resume } = request;
    const resumed = this.keepsBroken && resume !== undefined;
    let sequence = resumed ? resume.lastBatch : 0;
    stream.on('error', () => undefined);
    const accepted = {
      subscriptionId: resumed ? resume.subscriptionId : Buffer.from(`subscription ${this.subscriptions.length}`),
      resumed,
      partitions: request.claims.map(({ partition }) => partition).filter((one) => !this.unserved.has(one)),
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
      drain: (partitions) => {
        stream.write({ frame: { $case: 'draining', value: { partitions, grace: durationFromMs(5_000) } } });
      },
      end: (code, details = {}) => {
        stream.emit('error', fail(code, { details }));
      },
      break: () => {
        stream.emit('error', { code: status.UNAVAILABLE, details: 'connection lost' });
      },
    });
  }
}

function violationsOf(field: string | undefined): { field: string; description: string }[] {
  return field === undefined ? [] : [{ field, description: 'fake' }];
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
