import { randomUUID } from 'node:crypto';

import { Message } from '@hermes/contracts';
import {
  AppendBatch,
  type AttachedTopic,
  type MessageLog,
  type OpenPartitionOutcome,
  type PartitionStore,
  type StorageEngine,
} from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { eventually, sharedKafka, SHARED_SERVER_DEADLINE_MS, startKafka, temporaryDirectory } from '@hermes/testing';
import {
  CompressionCodecs,
  CompressionTypes,
  type IHeaders,
  Kafka,
  logLevel,
  type Message as KafkaMessage,
} from 'kafkajs';

import { type KafkaEngine, openKafkaEngine } from './kafka-engine.js';

jest.setTimeout(30_000);

const EVERYTHING = { maxRecords: 10_000, maxBytes: 10_000_000 };
const TOPIC_ID = 7;

/** Messages as other clients of Kafka see them, and as Hermes does. */
class Fixture {
  readonly topic = `t-${randomUUID()}`;
  readonly #directory = temporaryDirectory();
  #epoch = 0;

  private constructor(
    readonly kafka: Kafka,
    readonly brokers: string[],
  ) {}

  state!: StorageEngine;
  engine!: KafkaEngine;
  readonly notices: string[] = [];

  static async make(bootstrap?: readonly string[]): Promise<Fixture> {
    const brokers = [...(bootstrap ?? (await sharedKafka()).bootstrap)];
    const fixture = new Fixture(new Kafka({ brokers, logLevel: logLevel.NOTHING }), brokers);
    await fixture.open();
    return fixture;
  }

  async open(): Promise<void> {
    this.state = await openEmbeddedEngine({ directory: this.#directory.path, shards: 1, onFatal: () => undefined });
    this.engine = await openKafkaEngine({
      ...{ server: { brokers: this.brokers }, topics: { prefix: this.topic }, state: this.state },
      onNotice: (notice) => this.notices.push(notice.kind === 'taskFailed' ? notice.task : notice.problem),
    });
  }

  async close(): Promise<void> {
    await this.engine.close();
    await this.state.close();
  }

  async dispose(): Promise<void> {
    await this.close();
    await this.admin(async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(this.topic));
      await admin.deleteTopics({ topics: names });
    });
    this.#directory.remove();
  }

  async admin<T>(use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async create(config: Record<string, string> = {}, numPartitions = 1): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await this.admin((admin) =>
      admin.createTopics({ waitForLeaders: true, topics: [{ topic: this.topic, numPartitions, configEntries }] }),
    );
  }

  /** Writes as another client does. */
  async produce(messages: KafkaMessage[], compression = CompressionTypes.None, idempotent = false): Promise<void> {
    const producer = this.kafka.producer({ idempotent });
    await producer.connect();
    await producer.send({ topic: this.topic, messages, compression, acks: -1 });
    await producer.disconnect();
  }

  /** Reads all as another client does. */
  async consume(count: number): Promise<{ key: string | undefined; value: string; headers: Record<string, string> }[]> {
    const consumer = this.kafka.consumer({ groupId: randomUUID() });
    await consumer.connect();
    await consumer.subscribe({ topic: this.topic, fromBeginning: true });
    const found: { key: string | undefined; value: string; headers: Record<string, string> }[] = [];
    await consumer.run({
      eachMessage: ({ message }) => {
        const { key, value } = message;
        const headers: IHeaders = message.headers ?? {};
        const texts = Object.entries(headers).map(([name, text]) => [name, String(text)] as const);
        found.push({ key: key?.toString(), value: String(value), headers: Object.fromEntries(texts) });
        return Promise.resolve();
      },
    });
    await eventually(() => found.length >= count, { deadlineMs: 20_000 });
    await consumer.disconnect();
    return found;
  }

  request(attached: Partial<AttachedTopic> = {}, partitions = 1, partition = 0): Promise<OpenPartitionOutcome> {
    this.#epoch += 1;
    return this.engine.openPartition({
      ...{ topicId: TOPIC_ID, partition, epoch: this.#epoch, incarnation: 1, lanes: 1, created: this.#epoch > 1 },
      shape: {
        partitions,
        attached: { topic: this.topic, readOnly: false, ...attached },
      },
    });
  }

  async attached(attached: Partial<AttachedTopic> = {}): Promise<PartitionStore> {
    const outcome = await this.request(attached);
    if (outcome.kind !== 'opened') {
      throw new Error(outcome.kind);
    }
    return outcome.store;
  }
}

function laneOf({ lanes }: PartitionStore): MessageLog {
  return lanes[0] as MessageLog;
}

/** All messages from `from` on, with their offsets. */
async function read(log: MessageLog, from = 0): Promise<{ offset: number; message: Message; atMs: number }[]> {
  const found: { offset: number; message: Message; atMs: number }[] = [];
  for (let next = from; next < log.nextOffset;) {
    const block = await log.read(next, EVERYTHING);
    for (let index = 0; index < block.count; index += 1) {
      const message = Message.decode(Uint8Array.from(block.record(index)));
      found.push({ offset: block.offset(index), message, atMs: block.appendedAtMs(index) });
    }
    next = block.nextOffset;
  }
  return found;
}

const bodies = async (log: MessageLog, from = 0): Promise<string[]> =>
  (await read(log, from)).map(({ message }) => String(message.body));

function batch(messages: Partial<Message>[], scheduleId = 0): AppendBatch {
  const records = messages.map((message) => ({
    ...{ record: Message.encode(Message.create(message)).finish(), keyHash: 0, expiresAtMs: 5_000_000_000_000 },
    scheduleId,
  }));
  return AppendBatch.pack(1, records);
}

/** A zstd frame whose blocks are not compressed: Node 20 cannot compress them. */
function storedZstd(bytes: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0xfd2fb528, 0);
  head.writeUInt8(0xa0, 4); // A single segment, its size in 4 bytes.
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE((bytes.length << 3) | 1, 9, 3); // The last block, stored.
  return Buffer.concat([head, bytes]);
}

function writeZstd(): void {
  const codec = (CompressionCodecs[CompressionTypes.ZSTD] as unknown as () => object)();
  const compress = ({ buffer }: { buffer: Buffer }): Promise<Buffer> => Promise.resolve(storedZstd(buffer));
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ ...codec, compress });
}

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.make();
});
afterEach(() => fixture.dispose());

describe('records of others in an attached topic', () => {
  it.each(['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const)('are read: %s', async (compression) => {
    writeZstd();
    await fixture.create();
    const messages = Array.from({ length: 100 }, (_, i) => ({ key: `k-${i}`, value: `v-${i} `.repeat(50) }));
    await fixture.produce(messages, CompressionTypes[compression]);
    const found = await read(laneOf(await fixture.attached()));
    expect(found.map(({ message: { key, body } }) => ({ key, value: String(body) }))).toEqual(messages);
  });

  it('are given with everything: keys, tombstones, headers, times', async () => {
    await fixture.create({ 'message.timestamp.type': 'CreateTime' });
    await fixture.produce([
      { key: 'k', value: 'v', timestamp: '1700000000123', headers: { trace: 'abc', many: ['1', '2'] } },
      { key: 'k', value: null, timestamp: '1700000000124' },
      { key: Buffer.from([0xff]), value: Buffer.from([0xfe]), headers: { raw: Buffer.from([0xfd]) } },
      { value: '' },
    ]);
    const found = await read(laneOf(await fixture.attached()));
    expect(
      found.map(({ message: { key, body, attributes } }) => [
        key,
        body.toString('latin1'),
        Object.fromEntries(attributes),
      ]),
    ).toEqual([
      ['k', 'v', { trace: 'abc', 'many#1': '1', many: '2' }],
      ['k', '', { 'hermes-tombstone': 'true' }],
      ['/w==', '\u00fe', { 'hermes-key-encoding': 'base64', 'hermes-base64-raw': '/Q==' }],
      ['', '', {}],
    ]);
    expect(found.map(({ atMs }) => atMs).slice(0, 2)).toEqual([1_700_000_000_123, 1_700_000_000_124]);
  });

  it('have the time that Kafka gave them, where it gives one', async () => {
    await fixture.create({ 'message.timestamp.type': 'LogAppendTime' });
    await fixture.produce([{ value: 'v', timestamp: '1000' }]);
    const [found] = await read(laneOf(await fixture.attached()));
    expect(found?.atMs).toBeGreaterThan(1_700_000_000_000);
  });

  it('count once their transaction has ended, and never if it was aborted', async () => {
    await fixture.create();
    const [first, second] = [transactional(), transactional()];
    await Promise.all([first.connect(), second.connect()]);
    const aborted = await first.transaction();
    await aborted.send({ topic: fixture.topic, messages: [{ key: Buffer.alloc(4), value: 'aborted' }] });
    const committed = await second.transaction();
    await committed.send({ topic: fixture.topic, messages: [{ value: 'committed' }] });
    await aborted.send({ topic: fixture.topic, messages: [{ value: 'aborted' }] });
    await aborted.abort();

    const log = laneOf(await fixture.attached());
    expect(await bodies(log)).toEqual([]);
    // Nor are our own, for they come later in the log.
    expect((await log.append(batch([{ body: Buffer.from('own') }]))).kind).toBe('appended');
    // Kafka notes the end of a transaction some time after it was told.
    await eventually(async () => {
      await log.findEnd?.();
      expect(log.nextOffset).toBe(1);
    });
    await committed.commit();
    await eventually(async () => {
      await log.findEnd?.();
      expect(await bodies(log)).toEqual(['committed', 'own']);
    });
    await Promise.all([first.disconnect(), second.disconnect()]);
  });

  it('are known up to the last one when somebody asks for the end', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached());
    await fixture.produce([{ value: 'a' }, { value: 'b' }]);
    await log.findEnd?.();
    expect(log.nextOffset).toBe(2);
    expect(await log.offsetAt(Date.now() + 60_000)).toBe(2);
  });

  it('are told to whoever follows the log', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached());
    const told: string[] = [];
    log.feed?.follow({
      records: (block) => told.push(String(Message.decode(Uint8Array.from(block.record(0))).body)),
      grown: () => undefined,
    });
    await log.read(log.nextOffset, EVERYTHING);
    await fixture.produce([{ value: 'a' }]);
    await eventually(() => told.length > 0);
    expect(told).toEqual(['a']);
  });
});

function transactional(): ReturnType<Kafka['producer']> {
  return fixture.kafka.producer({ transactionalId: randomUUID(), idempotent: true, maxInFlightRequests: 1 });
}

describe('messages of ours in an attached topic', () => {
  const published: Partial<Message> = {
    ...{ key: 'k', body: Buffer.from('body'), contentType: 'text/plain' },
    attributes: new Map([['trace', 'abc']]),
  };

  it('are records as any client reads them, and come back as they were published', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached());
    const outcome = await log.append(batch([published]));
    expect(outcome).toMatchObject({ kind: 'appended' });
    expect(await fixture.consume(1)).toEqual([
      {
        ...{ key: 'k', value: 'body' },
        headers: { trace: 'abc', 'hermes-content-type': 'text/plain', 'hermes-expires-at': '5000000000000' },
      },
    ]);
    await log.findEnd?.();
    const block = await log.read(0, EVERYTHING);
    expect(Message.decode(Uint8Array.from(block.record(0)))).toEqual(Message.create(published));
    expect(block.columns.expiresAtMs[0]).toBe(5_000_000_000_000);
  });

  it('are known by their schedules, unless these were another topic’s', async () => {
    await fixture.create();
    const store = await fixture.attached();
    await laneOf(store).append(batch([published], 5));
    await fixture.produce([{ value: 'copied', headers: { 'hermes-schedule': '0123456789abcdef/6' } }]);
    await laneOf(store).findEnd?.();
    expect(await store.schedule.promotedFrom(0, 0)).toEqual([5]);
    expect(store.schedule.marks).toEqual([0]);
  });

  it('may be as large as the Kafka topic allows', async () => {
    await fixture.create({ 'max.message.bytes': '10000' });
    const log = laneOf(await fixture.attached());
    expect(log.fits(1, 10_000)).toBe(false);
    expect(log.fits(1, 9_000)).toBe(true);
    const body = Buffer.alloc(9_000 - 20, 'x');
    expect((await log.append(batch([{ ...published, body: body.subarray(100) }], 5))).kind).toBe('appended');
  });

  it('are refused where it is attached for reading only', async () => {
    await fixture.create();
    const log = laneOf(await fixture.attached({ readOnly: true }));
    expect(await log.append(batch([published]))).toMatchObject({ kind: 'refused', error: { kind: 'unsupported' } });
    expect(await fixture.admin((admin) => admin.fetchTopicOffsets(fixture.topic))).toMatchObject([{ high: '0' }]);
  });
});

describe('an attached topic', () => {
  it('is neither written to nor made nor deleted', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const first = await fixture.attached();
    await first.close();
    const store = await fixture.attached();
    expect([laneOf(store).firstOffset, laneOf(store).nextOffset]).toEqual([0, 1]);
    await store.close();
    await fixture.engine.deletePartition(TOPIC_ID, 0);
    expect(await fixture.consume(1)).toMatchObject([{ value: 'a' }]);
    const topics = await fixture.admin((admin) => admin.listTopics());
    expect(topics.filter((name) => name.startsWith(fixture.topic))).toEqual([fixture.topic]);
  });

  it('begins for schedules where it ended when it was attached', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }, { value: 'b' }]);
    await (await fixture.attached()).close();
    expect((await fixture.attached()).schedule.marks).toEqual([2]);
  });

  it('is not opened while it is not there', async () => {
    await expect(fixture.request()).rejects.toMatchObject({ kind: 'unavailable', message: /there is no Kafka topic/ });
    expect(fixture.engine.problem).toMatch(/there is no Kafka topic/);
    await fixture.create();
    await fixture.attached();
    expect(fixture.engine.problem).toBeUndefined();
  });

  it('is not opened with another number of partitions, and opened once that was confirmed', async () => {
    await fixture.create();
    const open = laneOf(await fixture.attached());
    await fixture.admin((admin) => admin.createPartitions({ topicPartitions: [{ topic: fixture.topic, count: 3 }] }));
    const problem = `the Kafka topic ${fixture.topic} has 3 partitions, and the Hermes topic that is attached to it 1`;
    // It is seen by itself; what is open goes on.
    await eventually(() => fixture.engine.problem === problem, { deadlineMs: 20_000 });
    expect(fixture.notices).toEqual([problem]);
    expect((await open.append(batch([{ key: 'k' }]))).kind).toBe('appended');
    await expect(fixture.request()).rejects.toMatchObject({ kind: 'unavailable', message: problem });
    expect(await fixture.request({}, 3)).toMatchObject({ kind: 'opened' });
    expect(fixture.engine.problem).toBeUndefined();
  });

  it('has lost data if it ends below what a group has settled', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const store = await fixture.attached();
    const lanes = [{ lane: 0, floor: 1, settled: [] }];
    await store.groupState.commit([{ kind: 'created', groupId: 3, lanes }]);
    await store.close();
    await (await fixture.attached()).close();
    await fixture.admin((admin) => admin.deleteTopics({ topics: [fixture.topic] }));
    await eventually(() => fixture.create().then(() => fixture.request()));
    expect(await fixture.request()).toMatchObject({ kind: 'dataLoss' });
  });

  it('is none of Hermes’ own', async () => {
    const own = `${fixture.topic}.1.0`;
    await expect(fixture.request({ topic: own })).rejects.toMatchObject({ message: /one of Hermes' own/ });
  });
});

describe('a compacted topic', () => {
  it(
    'is read past what was compacted away, batches without records among it',
    async () => {
      await using cluster = await startKafka({ settings: { 'log.cleaner.backoff.ms': '100' } });
      const compacted = await Fixture.make(cluster.bootstrap);
      const { None } = CompressionTypes;
      await compacted.create({
        ...{ 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01', 'segment.ms': '1000' },
      });
      // Of each producer Kafka keeps the last batch, without its records if need be.
      for (let round = 0; round < 5; round += 1) {
        const messages = Array.from({ length: 10 }, (_, key) => ({ key: `k-${key}`, value: `${round}` }));
        await compacted.produce(messages, None, true);
      }
      const log = laneOf(await compacted.attached());
      const last = await eventually(
        async () => {
          // A segment is compacted once there is a newer one.
          await compacted.produce([{ key: 'roll', value: 'roll' }]);
          await log.findEnd?.();
          const found = await bodies(log);
          expect(found.filter((body) => body !== 'roll')).toEqual(Array.from({ length: 10 }, () => '4'));
          return found;
        },
        { deadlineMs: 60_000, intervalMs: 500 },
      );
      expect(last.at(-1)).toBe('roll');
      await compacted.dispose();
    },
    SHARED_SERVER_DEADLINE_MS + 90_000,
  );
});
