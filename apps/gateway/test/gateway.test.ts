import { credentials, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import {
  AdminServiceClient,
  fromServiceError,
  HermesError,
  Message,
  Outcome,
  PartitionServiceClient,
  type PublishResponse,
  type PublishStreamResponse,
  RawMessagingClient,
  type RawPublishRequest,
  type RawSubscribeResponse,
  statusToError,
  SubscribeRequest,
  Topic,
} from '@hermes/contracts';
import { silentLogger } from '@hermes/kit';
import { eventually } from '@hermes/testing';
import { type Gateway, gatewayConfig, startGateway } from '../src/index.js';
import { FakeBroker, FakeMeta, receiptOf } from './fake-cluster.js';

const metadata = new Metadata();
const options = (withinMs = 5_000): { deadline: number } => ({ deadline: Date.now() + withinMs });
const message = (body: string, key = ''): Uint8Array =>
  Message.encode({ ...Message.create(), body: Buffer.from(body), key }).finish();

type Callback<T> = (error: Error | null, response: T) => void;
const answered = <T>(call: (callback: Callback<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(fromServiceError(error));
      }
    });
  });

describe('a gateway', () => {
  let meta: FakeMeta;
  let brokers: [FakeBroker, FakeBroker];
  let gateway: Gateway;
  let client: RawMessagingClient;
  let opened: ClientReadableStream<RawSubscribeResponse>[];

  beforeEach(async () => {
    meta = new FakeMeta();
    brokers = [new FakeBroker(), new FakeBroker()];
    opened = [];
    await Promise.all([meta, ...brokers].map((server) => server.listen()));
    brokers[0].partitions = [0, 2];
    brokers[1].partitions = [1];
    meta.topics.set('t', [brokers[0].endpoint, brokers[1].endpoint, brokers[0].endpoint]);
    const config = gatewayConfig.parse({ gatewayPort: 0, gatewayOpsPort: 0, metaServers: [meta.endpoint] });
    gateway = await startGateway(config, { logger: silentLogger });
    client = new RawMessagingClient(gateway.endpoint, credentials.createInsecure());
  });

  afterEach(async () => {
    for (const stream of opened) {
      stream.cancel();
    }
    client.close();
    await gateway.stop({ deadlineMs: 0 });
    await Promise.all([meta, ...brokers].map((server) => server.kill()));
  });

  const publish = (request: RawPublishRequest, withinMs?: number): Promise<PublishResponse> =>
    answered((callback) => client.publish(request, metadata, options(withinMs), callback));
  const codesOf = ({ results }: PublishResponse): string[] =>
    results.map(({ outcome }) =>
      outcome?.$case === 'error' ? statusToError(outcome.value).code : (outcome?.$case ?? ''),
    );
  const subscribe = (
    over: Partial<SubscribeRequest> = {},
  ): {
    frames: RawSubscribeResponse[];
    error: () => HermesError | undefined;
    stream: ClientReadableStream<RawSubscribeResponse>;
  } => {
    const request = { ...SubscribeRequest.create(), topic: 't', group: 'g', consumer: 'c', ...over };
    const stream = client.subscribe(request, metadata, {});
    const frames: RawSubscribeResponse[] = [];
    let error: HermesError | undefined;
    opened.push(stream);
    stream.on('data', (frame: RawSubscribeResponse) => frames.push(frame));
    stream.on('error', (thrown) => {
      error = fromServiceError(thrown);
    });
    return { frames, error: () => error, stream };
  };

  it('sends each message to the owner of its partition and answers in order', async () => {
    const bodies = Array.from({ length: 60 }, (_, index) => String(index));
    const response = await publish({ topic: 't', messages: bodies.map((body) => message(body, `key-${body}`)) });
    expect(new Set(codesOf(response))).toEqual(new Set(['messageId']));
    const stored = [...brokers[0].stored, ...brokers[1].stored];
    expect(stored.map(({ body }) => Number(body)).sort((a, b) => a - b)).toEqual(bodies.map(Number));
    response.results.forEach(({ outcome }, index) => {
      const partition = Number((outcome as { value: string }).value.split('/')[1]);
      expect(stored.find(({ body }) => body === String(index))?.partition).toBe(partition);
    });
  });

  it('lets the other messages stand when one is refused at its edge and one by its owner', async () => {
    for (const broker of brokers) {
      broker.refuse = (body) => (body === 'big' ? new HermesError('MESSAGE_TOO_LARGE', 'too big') : undefined);
    }
    const messages = [message('a'), message('big'), message('c', 'k'.repeat(256)), message('d')];
    expect(codesOf(await publish({ topic: 't', messages }))).toEqual([
      'messageId',
      'MESSAGE_TOO_LARGE',
      'INVALID_FIELD',
      'messageId',
    ]);
  });

  it.each([
    ['an empty topic', { topic: '', messages: [message('a')] }, 'INVALID_FIELD'],
    ['an over-long topic', { topic: 't'.repeat(201), messages: [message('a')] }, 'INVALID_FIELD'],
    ['an unknown topic', { topic: 'unknown', messages: [message('a')] }, 'TOPIC_NOT_FOUND'],
    ['no message', { topic: 't', messages: [] }, 'INVALID_FIELD'],
    ['too many messages', { topic: 't', messages: Array.from({ length: 1_001 }, () => message('a')) }, 'INVALID_FIELD'],
    ['a negative partition', { topic: 't', messages: [message('a')], partition: -1 }, 'INVALID_FIELD'],
    ['a partition that the topic lacks', { topic: 't', messages: [message('a')], partition: 3 }, 'INVALID_FIELD'],
    ['a producer id', { topic: 't', messages: [message('a')], producerId: 1, firstSequence: 1 }, 'NOT_IMPLEMENTED'],
  ])('refuses %s', async (_, request, code) => {
    await expect(publish(request)).rejects.toMatchObject({ code });
  });

  it('answers PARTITION_MOVING within the deadline when the owner is gone', async () => {
    await brokers[1].kill();
    await expect(publish({ topic: 't', messages: [message('a')], partition: 1 }, 700)).rejects.toMatchObject({
      code: 'PARTITION_MOVING',
    });
  });

  it('answers the requests of a stream in order, and ends it with a retryable failure', async () => {
    brokers[0].refuse = (body) => (body === 'bad' ? new HermesError('OUTCOME_UNKNOWN', 'in doubt') : undefined);
    const stream = client.publishStream(metadata, {});
    const responses: PublishStreamResponse[] = [];
    let error: HermesError | undefined;
    stream.on('data', (response: PublishStreamResponse) => responses.push(response));
    stream.on('error', (thrown) => {
      error = fromServiceError(thrown);
    });
    for (const body of ['a', 'b', 'bad']) {
      stream.write({ topic: 't', messages: [message(body)], partition: 0 });
    }
    await eventually(() => {
      expect(error?.code).toBe('OUTCOME_UNKNOWN');
    });
    expect(responses.map(codesOf)).toEqual([['messageId'], ['messageId'], ['OUTCOME_UNKNOWN']]);
  });

  it('subscribes at every owner, accepts first, and numbers the batches of all of them', async () => {
    const { frames } = subscribe({ maxInFlightMessages: 30 });
    await eventually(() => {
      expect(brokers[0].subscriptions.length + brokers[1].subscriptions.length).toBe(2);
    });
    expect(brokers[0].subscriptions[0]?.request.maxInFlightMessages).toBe(20);
    expect(brokers[1].subscriptions[0]?.request.maxInFlightMessages).toBe(10);
    brokers[0].subscriptions[0]?.send(0, 1);
    brokers[1].subscriptions[0]?.send(1, 2);
    brokers[0].subscriptions[0]?.send(2, 3);
    await eventually(() => {
      expect(frames).toHaveLength(4);
    });
    const [accepted, ...batches] = frames.map(({ frame }) => frame);
    expect(accepted).toMatchObject({ $case: 'accepted', value: { partitions: [0, 1, 2] } });
    expect(batches.map((frame) => (frame?.$case === 'batch' ? frame.value.sequence : 0))).toEqual([1, 2, 3]);
  });

  it('holds the leases of all subscribers on one stream, and leaves with them', async () => {
    const { stream } = subscribe({ consumer: 'c1' });
    subscribe({ consumer: 'c2' });
    await eventually(() => {
      expect(meta.joined.map(({ consumer }) => consumer).sort()).toEqual(['c1', 'c2']);
      expect(brokers[0].subscriptions).toHaveLength(2);
    });
    expect(meta.leaseStreams).toBe(1);
    stream.cancel();
    await eventually(() => {
      expect(brokers[0].subscriptions.find(({ request }) => request.consumer === 'c1')?.stream.signal.aborted).toBe(
        true,
      );
    });
  });

  it('ends the earlier of two subscribers of one name with FENCED', async () => {
    const first = subscribe();
    await eventually(() => {
      expect(first.frames).toHaveLength(1);
    });
    const second = subscribe();
    await eventually(() => {
      expect(first.error()?.code).toBe('FENCED');
      expect(second.frames).toHaveLength(1);
    });
  });

  it.each([
    ['claims', { claims: [{ partition: 0, consumerEpoch: 1 }] }, 'INVALID_FIELD'],
    ['no credit', { maxInFlightMessages: 0 }, 'INVALID_FIELD'],
    ['a short deadline', { ackDeadline: { seconds: 0, nanos: 1 } }, 'INVALID_FIELD'],
    ['a nameless consumer', { consumer: '' }, 'INVALID_FIELD'],
    ['an unknown topic', { topic: 'unknown' }, 'TOPIC_NOT_FOUND'],
    ['resume', { resume: { subscriptionId: Buffer.from('x'), lastBatch: 1 } }, 'NOT_IMPLEMENTED'],
  ])('refuses a subscription with %s', async (_, over, code) => {
    const { error } = subscribe(over);
    await eventually(() => {
      expect(error()?.code).toBe(code);
    });
  });

  it('takes nothing more from the owners while a subscriber does not read', async () => {
    const { stream, frames } = subscribe();
    await eventually(() => {
      expect(brokers[1].subscriptions).toHaveLength(1);
      expect(frames).toHaveLength(1);
    });
    stream.pause();
    const body = Buffer.alloc(256 * 1024);
    let sent = 0;
    await eventually(() => {
      const held = brokers[1].subscriptions[0]!.stream.bufferedBytes;
      if (held === 0) {
        brokers[1].subscriptions[0]?.send(1, (sent += 1), body);
      }
      expect(held).toBeGreaterThan(0);
    });
    expect(sent).toBeLessThan(100);
    stream.resume();
    await eventually(() => {
      expect(frames).toHaveLength(1 + sent);
    });
  });

  it('settles at the owners of the receipts and merges the answers', async () => {
    const entries = [
      [0, 5],
      [1, 6],
      [2, 7],
    ].map(([partition, offset]) => ({ receipt: receiptOf(partition!, offset!), outcome: Outcome.ACK, reason: '' }));
    entries.push({ receipt: Buffer.from('nonsense'), outcome: Outcome.ACK, reason: '' });
    const request = { topic: 't', group: 'g', consumer: 'c', entries };
    const { results } = await answered<{ results: { error?: unknown }[] }>((callback) =>
      client.acknowledge(request, metadata, options(), callback),
    );
    expect(results.map(({ error }) => error === undefined)).toEqual([true, true, true, false]);
    expect(brokers[0].acknowledged).toEqual([5, 7]);
    expect(brokers[1].acknowledged).toEqual([6]);
  });

  it('merges what all owners tell of a topic, and needs all of them', async () => {
    const partitions = new PartitionServiceClient(gateway.endpoint, credentials.createInsecure());
    const describe = (withinMs: number): Promise<{ lanes: { partition: number }[] }> =>
      answered((callback) => partitions.describeTopic({ topic: 't' }, metadata, options(withinMs), callback));
    expect((await describe(5_000)).lanes.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    await brokers[1].kill();
    await expect(describe(600)).rejects.toMatchObject({ code: 'PARTITION_MOVING' });
    partitions.close();
  });

  it('forwards administration to the meta-server, with the details of errors', async () => {
    const admin = new AdminServiceClient(gateway.endpoint, credentials.createInsecure());
    const { topic } = await answered<{ topic?: Topic | undefined }>((callback) =>
      admin.getTopic({ topic: 't' }, metadata, options(), callback),
    );
    expect(topic?.name).toBe('t');
    const created = answered((callback) => admin.createTopic({ topic: Topic.create() }, metadata, options(), callback));
    await expect(created).rejects.toMatchObject({
      code: 'INVALID_FIELD',
      violations: [{ field: 'topic.name', description: 'at most 200 bytes' }],
    });
    admin.close();
  });

  it('goes on with known routes and open subscriptions while no meta-server is there', async () => {
    const { frames } = subscribe();
    await eventually(() => {
      expect(brokers[1].subscriptions).toHaveLength(1);
    });
    await meta.kill();
    brokers[1].subscriptions[0]?.send(1, 1);
    await eventually(() => {
      expect(frames).toHaveLength(2);
    });
    expect(codesOf(await publish({ topic: 't', messages: [message('a')] }))).toEqual(['messageId']);
    await expect(publish({ topic: 'new', messages: [message('a')] }, 600)).rejects.toMatchObject({
      code: 'PARTITION_MOVING',
    });
  });

  it('ends subscriptions with DRAINING when it stops', async () => {
    const { frames, error } = subscribe();
    await eventually(() => {
      expect(frames).toHaveLength(1);
    });
    await gateway.stop({ deadlineMs: 1_000 });
    await eventually(() => {
      expect(error()?.code).toBe('DRAINING');
    });
    expect(frames.at(-1)?.frame?.$case).toBe('draining');
  });
});
