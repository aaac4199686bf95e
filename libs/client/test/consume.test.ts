import { Outcome } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { DeadLetter, RetryLater } from '../src/index.js';
import { type Body, FakeCluster, outcomesOf, subscribed } from './fake-cluster.js';

describe('a consumer', () => {
  let cluster: FakeCluster;

  beforeEach(async () => {
    cluster = new FakeCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('sends heartbeats three times in the TTL that it is told, from the first one on', async () => {
    cluster.meta.ttlMs = 600;
    void cluster.consumer().run(() => undefined);
    await eventually(
      () => {
        expect(cluster.meta.heartbeats).toBeGreaterThan(3);
      },
      // Before the second heartbeat of the default TTL.
      { deadlineMs: 2_500 },
    );
  });

  it('acknowledges what the handler returns from, at the owner of its partition', async () => {
    const seen: number[] = [];
    void cluster.consumer().run((delivery) => seen.push(delivery.body.offset));
    (await subscribed(cluster.brokers[0])).send(0, [1, 2, 3]);
    (await subscribed(cluster.brokers[1])).send(1, [4]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([
        [1, Outcome.ACK],
        [2, Outcome.ACK],
        [3, Outcome.ACK],
      ]);
      expect(outcomesOf(cluster.brokers[1])).toEqual([[4, Outcome.ACK]]);
    });
    expect(seen.sort()).toEqual([1, 2, 3, 4]);
  });

  it('gives back what the handler throws for, with its reason; RetryLater sets the delay', async () => {
    void cluster.consumer().run(({ offset }) => {
      throw offset === 1 ? new TypeError('no such customer') : new RetryLater(1_500);
    });
    (await subscribed(cluster.brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      const [first, second] = cluster.brokers[0].acknowledged;
      expect(first?.entry).toMatchObject({ outcome: Outcome.NACK, reason: 'TypeError: no such customer' });
      expect(first?.entry.delay).toBeUndefined();
      expect(second?.entry).toMatchObject({ outcome: Outcome.NACK, delay: { seconds: 1, nanos: 500_000_000 } });
    });
  });

  it('gives a body that its codec cannot read back as failed, and goes on', async () => {
    const codec = {
      contentType: '',
      encode: (): Uint8Array => Buffer.alloc(0),
      decode: (bytes: Uint8Array): Body => {
        const body = JSON.parse(Buffer.from(bytes).toString()) as Body;
        if (body.offset === 1) {
          throw new SyntaxError('poison');
        }
        return body;
      },
    };
    void cluster.consumer({ codec }).run((delivery) => delivery.body);
    (await subscribed(cluster.brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([
        [1, Outcome.NACK],
        [2, Outcome.ACK],
      ]);
    });
  });

  it('extends the deadline while a handler is slower than it', async () => {
    cluster.brokers[0].ackDeadlineMs = 300;
    const slow: Deferred<void> = createDeferred();
    void cluster.consumer().run(() => slow.promise);
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0]).filter(([, outcome]) => outcome === Outcome.EXTEND).length).toBeGreaterThan(
        2,
      );
    });
    slow.resolve();
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0]).at(-1)).toEqual([1, Outcome.ACK]);
    });
  });

  it('runs at most `concurrency` handlers at once', async () => {
    let running = 0;
    let most = 0;
    void cluster.consumer({ concurrency: 3 }).run(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
    });
    (await subscribed(cluster.brokers[0])).send(
      0,
      Array.from({ length: 50 }, (_, offset) => offset),
    );
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(50);
    });
    expect(most).toBe(3);
  });

  it('stops with messages in flight: running handlers finish, the rest is returned', async () => {
    const gate: Deferred<void> = createDeferred();
    const started: Deferred<void> = createDeferred();
    const consumer = cluster.consumer({ concurrency: 1 });
    const run = consumer.run(() => {
      started.resolve();
      return gate.promise;
    });
    (await subscribed(cluster.brokers[0])).send(0, [1, 2, 3]);
    await started.promise;
    const drained = consumer.drain({ deadlineMs: 5_000 });
    gate.resolve();
    await drained;
    await run;
    expect(outcomesOf(cluster.brokers[0]).sort()).toEqual([
      [1, Outcome.ACK],
      [2, Outcome.RETURN],
      [3, Outcome.RETURN],
    ]);
  });

  it('returns at the drain deadline what its handlers still hold, and tells them', async () => {
    const signals: AbortSignal[] = [];
    const consumer = cluster.consumer();
    const run = consumer.run(async ({ signal }) => {
      signals.push(signal);
      await new Promise(() => undefined);
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await eventually(() => {
      expect(signals).toHaveLength(1);
    });
    await consumer.drain({ deadlineMs: 50 });
    await run;
    expect(signals[0]?.aborted).toBe(true);
    expect(outcomesOf(cluster.brokers[0])).toEqual([[1, Outcome.RETURN]]);
  });

  it('lets the caller of `for await` settle by itself', async () => {
    const subscription = subscribed(cluster.brokers[0]).then((opened) => {
      opened.send(0, [1, 2, 3]);
    });
    for await (const delivery of cluster.consumer()) {
      if (delivery.offset === 1) {
        await delivery.ack();
      } else {
        await delivery.nack({ reason: 'no' });
        break;
      }
    }
    await subscription;
    expect(outcomesOf(cluster.brokers[0])).toEqual([
      [1, Outcome.ACK],
      [2, Outcome.NACK],
      [3, Outcome.RETURN],
    ]);
  });

  it('tells of decisions that were refused', async () => {
    const refused: [string, string][] = [];
    cluster.brokers[0].answerAck = () => 'STALE_DELIVERY';
    void cluster.consumer({ onSettleFailure: (error, id) => refused.push([error.code, id]) }).run(() => undefined);
    (await subscribed(cluster.brokers[0])).send(0, [8]);
    await eventually(() => {
      expect(refused).toEqual([['STALE_DELIVERY', 'orders/0/0/8']]);
    });
  });

  it('waits at a drain for the decision of whoever iterates', async () => {
    const consumer = cluster.consumer();
    const opened = subscribed(cluster.brokers[0]).then((subscription) => {
      subscription.send(0, [1, 2]);
    });
    let drained: Promise<void> | undefined;
    for await (const delivery of consumer) {
      drained = consumer.drain({ deadlineMs: 5_000 });
      await new Promise(setImmediate);
      await delivery.ack();
    }
    await opened;
    await drained;
    expect(outcomesOf(cluster.brokers[0]).sort()).toEqual([
      [1, Outcome.ACK],
      [2, Outcome.RETURN],
    ]);
  });

  it('asks for a dead letter where a handler throws DeadLetter', async () => {
    void cluster.consumer().run(() => {
      throw new DeadLetter('no such customer');
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await eventually(() => {
      const [first] = cluster.brokers[0].acknowledged;
      expect(first?.entry).toMatchObject({ outcome: Outcome.DEAD_LETTER, reason: 'no such customer' });
    });
  });

  it('gives back what a handler throws for, whatever it throws', async () => {
    void cluster.consumer().run(({ offset }) => {
      if (offset === 1) {
        throw Object.create(null) as Error;
      }
      throw new RetryLater(Number.NaN);
    });
    (await subscribed(cluster.brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([
        [1, Outcome.NACK],
        [2, Outcome.NACK],
      ]);
    });
  });
});
