import { credentials, type ClientReadableStream, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  type AckEntry,
  type AcknowledgeResponse,
  type Delivery,
  type DescribeGroupResponse,
  fromServiceError,
  type HermesError,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  Message,
  MessagingServiceClient,
  Outcome,
  PartitionServiceClient,
  type PublishRequest,
  type PublishResponse,
  statusToError,
  type SubscribeAccepted,
  type SubscribeRequest,
  type SubscribeResponse,
} from '@hermes/contracts';
import { createLogger } from '@hermes/kit';
import { eventually, temporaryDirectory } from '@hermes/testing';
import { brokerConfig, type BrokerDependencies, type RunningBroker, startBroker } from '../src/index.js';
import { FakeMetaServer } from './fake-meta-server.js';

/** What a test provokes is logged as an error too. */
const EXPECTED =
  /the lease has ended|is quarantined|another server answers|acknowledged records are gone|records could not be read|the store has dropped/;

/** A server that has just started may be slow. */
const READY = { deadlineMs: 30_000 };

/** A broker with a meta-server under the test's hand, and clients of both kinds. */
export class BrokerFixture {
  readonly meta = new FakeMetaServer();
  broker!: RunningBroker;
  client!: MessagingServiceClient;
  partitions!: PartitionServiceClient;
  directory!: string;
  readonly fatal: unknown[] = [];
  /** Lines above `warn`: a test that ends with any has found a bug. */
  readonly failures: string[] = [];
  readonly warnings: string[] = [];
  readonly #logger = createLogger({
    component: 'broker',
    level: 'warn',
    destination: { write: (line) => (line.includes('"level":"warn"') ? this.warnings : this.failures).push(line) },
  });
  #remove: (() => void) | undefined;
  readonly #subscribers: TestSubscriber[] = [];
  readonly #given: Pick<BrokerDependencies, 'clock' | 'timers' | 'environment' | 'inFlightMax'>;

  /** `settings` are those of the broker beside the fixture's own, from its next start on. */
  constructor(
    given: Pick<BrokerDependencies, 'clock' | 'timers' | 'environment' | 'inFlightMax'> = {},
    public settings: Readonly<Record<string, unknown>> = {},
  ) {
    this.#given = given;
  }

  async start(): Promise<void> {
    await this.meta.start();
    const directory = temporaryDirectory();
    this.directory = directory.path;
    this.#remove = () => {
      directory.remove();
    };
    await this.startBroker();
  }

  async startBroker(): Promise<void> {
    const config = brokerConfig.parse({
      brokerPort: 0,
      brokerOpsPort: 0,
      brokerName: 'broker-1',
      dataDir: this.directory,
      metaServers: [this.meta.endpoint],
      cacheBytes: 16 * 1024 * 1024,
      ...this.settings,
    });
    this.broker = await startBroker(config, {
      ...this.#given,
      logger: this.#logger,
      onFatal: (error) => this.fatal.push(error),
    });
    this.client = new MessagingServiceClient(this.broker.endpoint, credentials.createInsecure());
    this.partitions = new PartitionServiceClient(this.broker.endpoint, credentials.createInsecure());
  }

  async stopBroker(deadlineMs = 2_000): Promise<void> {
    for (const subscriber of this.#subscribers.splice(0)) {
      subscriber.cancel();
    }
    this.client.close();
    this.partitions.close();
    await this.broker.stop({ deadlineMs });
  }

  /** A new process on the same data directory; it is granted what `topics` have. */
  async restartBroker(...topics: readonly string[]): Promise<void> {
    await this.stopBroker();
    this.meta.ready.splice(0);
    await this.startBroker();
    for (const topic of topics) {
      this.meta.grant(topic, 0);
      await this.ready(topic);
    }
  }

  async stop(): Promise<void> {
    await this.stopBroker();
    this.meta.stop();
    this.#remove?.();
    expect(this.fatal).toEqual([]);
    expect(this.failures.filter((line) => !EXPECTED.test(line))).toEqual([]);
  }

  /** Makes a topic whose partitions are all served here. */
  async topic(name: string, fields: Parameters<FakeMetaServer['addTopic']>[1] = {}): Promise<void> {
    const topic = this.meta.addTopic(name, fields);
    const count = topic.partitions ?? 1;
    for (let partition = 0; partition < count; partition += 1) {
      this.meta.grant(name, partition);
    }
    await this.ready(name, count);
  }

  async group(topic: string, name: string, fields: Parameters<FakeMetaServer['setGroup']>[2] = {}): Promise<void> {
    this.meta.setGroup(topic, name, fields);
    await this.ready(topic, this.meta.granted(topic));
  }

  /** A number that the broker's /metrics shows; with labels: `name{label="value"}`. NaN if it is not there. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.broker.opsPort}/metrics`);
    const line = (await response.text()).split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length));
  }

  async ready(topic: string, partitions = 1): Promise<void> {
    await eventually(() => {
      for (let partition = 0; partition < partitions; partition += 1) {
        expect(this.meta.isReady(topic, partition)).toBe(true);
      }
    }, READY);
  }

  publish(request: Partial<PublishRequest>, deadlineMs = 10_000): Promise<PublishResponse> {
    const full = { topic: 'orders', messages: [], ...request };
    const options = { deadline: Date.now() + deadlineMs };
    return answered((done) => this.client.publish(full, new Metadata(), options, done));
  }

  /** Publishes bodies and gives the ids; fails if any is refused. */
  async publishTexts(topic: string, texts: readonly string[], fields: Partial<Message> = {}): Promise<string[]> {
    const response = await this.publish({ topic, messages: texts.map((text) => message(text, fields)) });
    return response.results.map(({ outcome }) => {
      if (outcome?.$case !== 'messageId') {
        throw new Error(`not stored: ${JSON.stringify(outcome)}`);
      }
      return outcome.value;
    });
  }

  subscribe(request: Partial<SubscribeRequest> = {}): TestSubscriber {
    const full = { topic: 'orders', group: 'billing', consumer: 'c1', claims: [], ...request };
    const subscriber = new TestSubscriber(this, full, this.client.subscribe(full));
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  acknowledge(
    entries: readonly Partial<AckEntry>[],
    who: { topic?: string; group?: string; consumer?: string } = {},
  ): Promise<AcknowledgeResponse> {
    const request = {
      ...{ topic: 'orders', group: 'billing', consumer: 'c1' },
      ...who,
      entries: entries.map((entry) => ({
        receipt: new Uint8Array(0) as Buffer,
        outcome: Outcome.ACK,
        reason: '',
        ...entry,
      })),
    };
    return answered((done) => this.client.acknowledge(request, done));
  }

  describeGroup(topic: string, group: string): Promise<DescribeGroupResponse> {
    return answered((done) => this.partitions.describeGroup({ topic, group }, done));
  }

  listDeadLetters(
    request: Partial<ListDeadLettersRequest> & { topic: string; group: string },
  ): Promise<ListDeadLettersResponse> {
    const full = { filter: '', pageToken: '', ...request };
    return answered((done) => this.partitions.listDeadLetters(full, done));
  }

  /** Reasons of the entries' errors; OK for those without. */
  async settle(
    entries: readonly Partial<AckEntry>[],
    who: { topic?: string; group?: string; consumer?: string } = {},
  ): Promise<string[]> {
    const { results } = await this.acknowledge(entries, who);
    return results.map(({ error }) => (error === undefined ? 'OK' : statusToError(error).code));
  }
}

/** What a unary call answers; rejects with the HermesError of its failure. */
export function answered<Response>(
  send: (done: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    send((error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(fromServiceError(error));
      }
    });
  });
}

/** A Subscribe stream and what came on it. */
export class TestSubscriber {
  accepted: SubscribeAccepted | undefined;
  readonly deliveries: Delivery[] = [];
  readonly batches: number[] = [];
  readonly drained: number[][] = [];
  heartbeats = 0;
  error: HermesError | undefined;
  readonly #fixture: BrokerFixture;
  readonly #request: SubscribeRequest;
  readonly #stream: ClientReadableStream<SubscribeResponse>;

  constructor(fixture: BrokerFixture, request: SubscribeRequest, stream: ClientReadableStream<SubscribeResponse>) {
    this.#fixture = fixture;
    this.#request = request;
    this.#stream = stream;
    stream.on('data', ({ frame }: SubscribeResponse) => {
      switch (frame?.$case) {
        case 'accepted':
          this.accepted = frame.value;
          break;
        case 'batch':
          this.batches.push(frame.value.sequence);
          this.deliveries.push(...frame.value.deliveries);
          break;
        case 'heartbeat':
          this.heartbeats += 1;
          break;
        case 'draining':
          this.drained.push(frame.value.partitions);
          break;
        case undefined:
      }
    });
    stream.on('error', (error) => {
      this.error = fromServiceError(error);
    });
  }

  get texts(): string[] {
    return this.deliveries.map(({ message: each }) => Buffer.from(each?.body ?? []).toString());
  }

  get offsets(): number[] {
    return this.deliveries.map(({ offset }) => offset);
  }

  async opened(): Promise<this> {
    await eventually(() => {
      expect(this.error).toBeUndefined();
      expect(this.accepted).toBeDefined();
    });
    return this;
  }

  async received(count: number): Promise<Delivery[]> {
    await eventually(() => {
      expect(this.deliveries.length).toBeGreaterThanOrEqual(count);
    });
    return this.deliveries;
  }

  async failed(code: string): Promise<void> {
    await eventually(() => {
      expect(this.error?.code).toBe(code);
    });
  }

  /** Settles deliveries of this stream, all in the same way. */
  settle(deliveries: readonly Delivery[], fields: Partial<AckEntry> = {}): Promise<string[]> {
    const { topic, group, consumer } = this.#request;
    const entries = deliveries.map(({ receipt }) => ({ receipt, ...fields }));
    return this.#fixture.settle(entries, { topic, group, consumer });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    this.#stream.cancel();
  }
}

export function message(text: string, fields: Partial<Message> = {}): Message {
  return Message.fromPartial({ body: Buffer.from(text), ...fields } as Message);
}
