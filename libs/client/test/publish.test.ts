import { HermesError } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { connect, type Hermes, type Producer, stringCodec } from '../src/index.js';
import { FakeBroker } from './fake-broker.js';
import { FakeMeta } from './fake-meta.js';

const TIMEOUT_MS = 1_500;

describe('publishing to brokers', () => {
  let meta: FakeMeta;
  let brokers: FakeBroker[];
  let hermes: Hermes;

  beforeEach(async () => {
    meta = new FakeMeta();
    brokers = [new FakeBroker(), new FakeBroker()];
    await Promise.all([meta, ...brokers].map((server) => server.listen()));
  });

  afterEach(async () => {
    await hermes.close({ deadlineMs: 0 });
    [meta, ...brokers].forEach((server) => {
      server.kill();
    });
  });

  const producerOf = async (topic: string, timeoutMs = TIMEOUT_MS): Promise<Producer<string>> => {
    hermes = await connect({ metaServers: [meta.endpoint], timeoutMs });
    return hermes.producer(topic, { codec: stringCodec });
  };
  const ends = async (publish: Promise<unknown>): Promise<string> =>
    publish.then(
      () => 'stored',
      (error: unknown) => (error instanceof HermesError ? error.code : `not a HermesError: ${String(error)}`),
    );
  const bodies = (): string[] => brokers.flatMap(({ stored }) => stored.map(({ body }) => body)).sort();

  it('gives every one of many concurrent publishes exactly one receipt, sharing frames', async () => {
    meta.route('orders', [brokers[0]!.endpoint, brokers[1]!.endpoint]);
    const producer = await producerOf('orders');
    const all = Array.from({ length: 1_000 }, (_, index) => String(index));
    const receipts = await Promise.all(all.map((body) => producer.publish(body)));
    expect(new Set(receipts.map(({ id }) => id)).size).toBe(1_000);
    expect(bodies()).toEqual([...all].sort());
    expect(brokers[0]!.frames + brokers[1]!.frames).toBeLessThan(100);
  });

  it('sends the same key to the same partition and spreads messages without key over all', async () => {
    meta.route(
      'orders',
      Array.from({ length: 4 }, () => brokers[0]!.endpoint),
    );
    const producer = await producerOf('orders');
    for (let index = 0; index < 40; index += 1) {
      await producer.publish('keyed', { key: 'customer-1' });
      await producer.publish('free');
    }
    const { stored } = brokers[0]!;
    expect(new Set(stored.filter(({ body }) => body === 'keyed').map(({ partition }) => partition)).size).toBe(1);
    const counts = [0, 1, 2, 3].map((one) =>
      stored.filter(({ body, partition }) => body === 'free' && partition === one),
    );
    counts.forEach((messages) => {
      expect(messages).toHaveLength(10);
    });
  });

  it('takes empty, absent and 255-byte keys', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const producer = await producerOf('orders');
    await producer.publish('a', { key: '' });
    await producer.publish('b');
    await producer.publish('c', { key: 'k'.repeat(255) });
    expect(brokers[0]!.stored.map(({ key }) => key.length)).toEqual([0, 0, 255]);
  });

  it('refuses an unknown topic as such', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const producer = await producerOf('nowhere');
    expect(await ends(producer.publish('x'))).toBe('TOPIC_NOT_FOUND');
  });

  it('ends with PARTITION_MOVING within the deadline when the broker is gone', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.kill();
    const producer = await producerOf('orders', 400);
    expect(await ends(producer.publish('x'))).toBe('PARTITION_MOVING');
  });

  it('ends with OUTCOME_UNKNOWN at the deadline when the broker accepts and never answers', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'silence' });
    const producer = await producerOf('orders', 300);
    expect(await ends(producer.publish('x'))).toBe('OUTCOME_UNKNOWN');
  });

  it('passes on what the broker refuses for good', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'refuse', code: 'TOPIC_PAUSED' });
    const producer = await producerOf('orders');
    expect(await ends(producer.publish('x'))).toBe('TOPIC_PAUSED');
  });

  it('repeats what was certainly not stored until it is: BACKPRESSURE', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    let refusals = 3;
    brokers[0]!.answer = () => (refusals-- > 0 ? { kind: 'refuse', code: 'BACKPRESSURE' } : { kind: 'store' });
    const producer = await producerOf('orders');
    await producer.publish('x');
    expect(bodies()).toEqual(['x']);
  });

  it('waits for a route that is not there yet', async () => {
    meta.route('orders', ['']);
    const producer = await producerOf('orders');
    const published = producer.publish('x');
    await eventually(() => {
      expect(producer.pending).toBe(1);
    });
    meta.route('orders', [brokers[1]!.endpoint]);
    await published;
    expect(brokers[1]!.stored).toHaveLength(1);
  });

  it('waits for a topic that exists and has no routes yet', async () => {
    meta.topics.set('orders', []);
    const producer = await producerOf('orders');
    const published = producer.publish('x');
    meta.route('orders', [brokers[1]!.endpoint]);
    await published;
    expect(brokers[1]!.stored).toHaveLength(1);
  });

  it('follows NOT_OWNER to the owner that it names', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({
      kind: 'refuse',
      code: 'NOT_OWNER',
      details: { endpoint: brokers[1]!.endpoint, epoch: '99' },
    });
    const producer = await producerOf('orders');
    await Promise.all(['a', 'b', 'c'].map((body) => producer.publish(body)));
    expect(brokers[1]!.stored.map(({ body }) => body)).toEqual(['a', 'b', 'c']);
  });

  it('reaches the new owner when the route changes while a broker never answers', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'silence' });
    const producer = await producerOf('orders', 8_000);
    const lost = ends(producer.publish('sent to the old owner'));
    await eventually(() => {
      expect(brokers[0]!.frames).toBe(1);
    });
    meta.route('orders', [brokers[1]!.endpoint]);
    await eventually(async () => {
      expect(await ends(producer.publish('after'))).toBe('stored');
    });
    expect(await lost).toBe('stored');
    expect(brokers[1]!.stored[0]?.body).toBe('sent to the old owner');
  });

  it('sends again what a broken connection leaves in doubt', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'drop' });
    const producer = await producerOf('orders', 8_000);
    const sent = [producer.publish('keyed', { idempotencyKey: 'i' }), producer.publish('numbered')];
    const outcomes = Promise.all(sent.map(ends));
    await eventually(() => {
      expect(brokers[0]!.frames).toBe(1);
    });
    meta.route('orders', [brokers[1]!.endpoint]);
    expect(await outcomes).toEqual(['stored', 'stored']);
    expect(bodies()).toEqual(['keyed', 'numbered']);
  });

  it('sends again what a broker does not know the outcome of', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => {
      brokers[0]!.answer = () => ({ kind: 'store' });
      return { kind: 'fail', at: 0, code: 'OUTCOME_UNKNOWN' };
    };
    const producer = await producerOf('orders', 8_000);
    const sent = [producer.publish('keyed', { idempotencyKey: 'i' }), producer.publish('numbered')];
    expect(await Promise.all(sent.map(ends))).toEqual(['stored', 'stored']);
    expect(bodies()).toEqual(['keyed', 'numbered']);
  });

  it('tells of what was in doubt once that its outcome is unknown, though later attempts stored nothing', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'drop' });
    const producer = await producerOf('orders', 600);
    expect(await ends(producer.publish('x'))).toBe('OUTCOME_UNKNOWN');
    expect(brokers[0]!.frames).toBe(1);
  });

  it('keeps the results of the others when one message of a frame fails', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'fail', at: 1, code: 'MESSAGE_TOO_LARGE' });
    const producer = await producerOf('orders');
    const outcomes = await Promise.all(['a', 'b', 'c'].map((body) => ends(producer.publish(body))));
    expect(outcomes).toEqual(['stored', 'MESSAGE_TOO_LARGE', 'stored']);
    expect(bodies()).toEqual(['a', 'c']);
  });

  it('keeps the order of a partition across refusals', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    let frames = 0;
    brokers[0]!.answer = () => {
      frames += 1;
      return frames % 3 === 1 ? { kind: 'refuse', code: 'BACKPRESSURE' } : { kind: 'store' };
    };
    const producer = await producerOf('orders', 5_000);
    const all: Promise<unknown>[] = [];
    for (let index = 0; index < 50; index += 1) {
      all.push(producer.publish(String(index)));
      if (index % 5 === 0) {
        await new Promise(setImmediate);
      }
    }
    await Promise.all(all);
    expect(brokers[0]!.stored.map(({ body }) => Number(body))).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it('makes the caller wait when its own queue is full, and loses nothing', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'silence' });
    const producer = await producerOf('orders', 600);
    const body = 'x'.repeat(1024 * 1024);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => ends(producer.publish(body))));
    expect(outcomes.filter((outcome) => outcome === 'BACKPRESSURE').length).toBeGreaterThanOrEqual(10);
    expect(outcomes.filter((outcome) => outcome === 'OUTCOME_UNKNOWN').length).toBeGreaterThanOrEqual(1);
    brokers[0]!.answer = () => ({ kind: 'store' });
  });

  it('gives up at the signal: before it was sent with its reason, afterwards with OUTCOME_UNKNOWN', async () => {
    meta.route('orders', ['']);
    const producer = await producerOf('orders', 5_000);
    const unsent = new AbortController();
    const first = producer.publish('x', { signal: unsent.signal });
    unsent.abort(new Error('changed my mind'));
    await expect(first).rejects.toThrow('changed my mind');

    brokers[0]!.answer = () => ({ kind: 'silence' });
    meta.route('orders', [brokers[0]!.endpoint]);
    const sent = new AbortController();
    const second = ends(producer.publish('y', { signal: sent.signal }));
    await eventually(() => {
      expect(brokers[0]!.frames).toBe(1);
    });
    sent.abort();
    expect(await second).toBe('OUTCOME_UNKNOWN');
    expect(bodies()).toEqual([]);
  });

  it('goes on with the routes it knows while no meta-server is there', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const producer = await producerOf('orders');
    await producer.publish('a');
    meta.kill();
    await producer.publish('b');
    expect(bodies()).toEqual(['a', 'b']);
  });

  it('gives up with the reason of the signal while it waits for a topic, or for room', async () => {
    meta.topics.set('orders', []);
    const producer = await producerOf('orders', 5_000);
    const topic = new AbortController();
    const first = producer.publish('x', { signal: topic.signal });
    topic.abort(new Error('no time for topics'));
    await expect(first).rejects.toThrow('no time for topics');

    meta.route('orders', [brokers[0]!.endpoint]);
    brokers[0]!.answer = () => ({ kind: 'silence' });
    const big = Array.from({ length: 9 }, () => ends(producer.publish('x'.repeat(1024 * 1024))));
    const room = new AbortController();
    const last = producer.publish('x'.repeat(1024 * 1024), { signal: room.signal });
    await new Promise(setImmediate);
    room.abort(new Error('no time for room'));
    await expect(last).rejects.toThrow('no time for room');
    await hermes.close({ deadlineMs: 0 });
    expect(new Set(await Promise.all(big))).not.toContain('stored');
  });

  it('refuses what no frame can hold, and sends the rest', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const producer = await producerOf('orders', 30_000);
    const attributes = { big: 'x'.repeat(11 * 1024 * 1024) };
    const outcomes = await Promise.all([
      ends(producer.publish('a')),
      ends(producer.publish('b', { attributes })),
      ends(producer.publish('c')),
    ]);
    expect(outcomes).toEqual(['stored', 'MESSAGE_TOO_LARGE', 'stored']);
  });

  it('waits as long as the server asks for', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const times: number[] = [];
    brokers[0]!.answer = () => {
      times.push(performance.now());
      return times.length === 1 ? { kind: 'refuse', code: 'BACKPRESSURE', retryAfterMs: 400 } : { kind: 'store' };
    };
    const producer = await producerOf('orders', 5_000);
    await producer.publish('x');
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(390);
  });

  it('asks a new owner at once, however long the one before asked to wait, and the same one not before', async () => {
    const [old, next] = brokers;
    meta.route('orders', [old!.endpoint]);
    old!.answer = () => ({ kind: 'refuse', code: 'PARTITION_MOVING', retryAfterMs: 60_000 });
    const published = (await producerOf('orders', 20_000)).publish('x');
    await eventually(() => {
      expect(old!.frames).toBe(1);
    });
    meta.tellRoutes('orders');
    meta.route('others', [next!.endpoint]);
    await hermes.producer('others', { codec: stringCodec }).publish('y');
    expect(old!.frames).toBe(1);
    meta.route('orders', [next!.endpoint]);
    await published;
    expect(next!.stored.map(({ body }) => body)).toEqual(['y', 'x']);
  });

  it('takes one signal for any number of publishes', async () => {
    meta.route('orders', [brokers[0]!.endpoint]);
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): number => warnings.push(name);
    process.on('warning', onWarning);
    const producer = await producerOf('orders');
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => producer.publish('x', { signal })));
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(brokers[0]!.stored).toHaveLength(50);
  });
});
