import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { Message } from '@hermes/contracts';
import { eventually, runWithKafkaJars, sharedKafka, SHARED_SERVER_DEADLINE_MS, startKafka } from '@hermes/testing';
import { CompressionCodecs, CompressionTypes, type Kafka } from 'kafkajs';

import { AttachedFixture, batch, bodies, EVERYTHING, laneOf, read } from './attached-fixture.js';

jest.setTimeout(30_000);

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

let fixture: AttachedFixture;
beforeEach(async () => {
  fixture = await AttachedFixture.make();
});
afterEach(() => fixture.dispose());

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

function transactional(): ReturnType<Kafka['producer']> {
  return fixture.kafka.producer({ transactionalId: randomUUID(), idempotent: true, maxInFlightRequests: 1 });
}

describe('records of others in an attached topic', () => {
  it.each(['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const)('are read: %s', async (compression) => {
    writeZstd();
    await fixture.create();
    const messages = Array.from({ length: 100 }, (_, i) => ({ key: `k-${i}`, value: `v-${i} `.repeat(50) }));
    await fixture.produce(messages, CompressionTypes[compression]);
    const found = await read(laneOf(await fixture.attached()));
    expect(found.map(({ message: { key, body } }) => ({ key, value: String(body) }))).toEqual(messages);
  });

  it('are read as Java’s own producer writes them, but for what it has aborted', async () => {
    await fixture.create({ 'message.timestamp.type': 'CreateTime' });
    const program = join(__dirname, 'JavaProducer.java');
    if (!(await runWithKafkaJars(program, [fixture.brokers.join(','), fixture.topic]))) {
      return;
    }
    const log = laneOf(await fixture.attached());
    const found = await eventually(
      async () => {
        await log.findEnd?.();
        const messages = await read(log);
        expect(messages.length).toBeGreaterThanOrEqual(102);
        return messages;
      },
      { deadlineMs: 20_000 },
    );
    const compressed = found.slice(0, 100);
    expect(compressed.map(({ message: { key, body, attributes } }) => [key, String(body), [...attributes]])).toEqual(
      compressed.map((_, nth) => [`key-${nth}`, `zstd-${nth} `.repeat(20), [['nth', `${nth}`]]]),
    );
    expect(compressed.map(({ atMs }) => atMs)).toEqual(compressed.map((_, nth) => 1_700_000_000_000 + nth));
    const rest = found.slice(100);
    expect(rest.map(({ message }) => String(message.body))).toEqual(['committed-1', 'committed-2']);
    // The two that were aborted, and the mark of that.
    expect(rest.map(({ offset }) => offset)).toEqual([103, 104]);
  }, 60_000);

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

describe('a compacted topic', () => {
  it(
    'is read past what was compacted away, batches without records among it',
    async () => {
      await using cluster = await startKafka({ settings: { 'log.cleaner.backoff.ms': '100' } });
      const compacted = await AttachedFixture.make(cluster.bootstrap);
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
