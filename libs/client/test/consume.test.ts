import { GroupMode, HermesError, Outcome } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { connect, type Consumer, type ConsumeOptions, type Hermes, RetryLater } from '../src/index.js';
import { FakeBroker, FakeMeta, type FakeSubscription } from './fake-servers.js';

interface Body {
  readonly offset: number;
}

describe('consuming from brokers', () => {
  let meta: FakeMeta;
  let brokers: [FakeBroker, FakeBroker];
  let hermes: Hermes;

  beforeEach(async () => {
    meta = new FakeMeta();
    brokers = [new FakeBroker(), new FakeBroker()];
    await Promise.all([meta, ...brokers].map((server) => server.listen()));
    meta.route('orders', [brokers[0].endpoint, brokers[1].endpoint]);
    hermes = await connect({ metaServers: [meta.endpoint] });
  });

  afterEach(async () => {
    await hermes.close({ deadlineMs: 0 });
    [meta, ...brokers].forEach((server) => {
      server.kill();
    });
  });

  const consumerOf = (options: ConsumeOptions<Body> = {}): Consumer<Body> =>
    hermes.consumer<Body>('orders', 'billing', { name: 'c1', ...options });
  const subscribed = async (broker: FakeBroker, at = 0): Promise<FakeSubscription> => {
    await eventually(() => {
      expect(broker.subscriptions.length).toBeGreaterThan(at);
    });
    return broker.subscriptions[at]!;
  };
  const outcomesOf = (broker: FakeBroker): [number, Outcome][] =>
    broker.acknowledged.map(({ offset, entry }) => [offset, entry.outcome]);

  it('subscribes at every owner with its claims and shares the credit out', async () => {
    void consumerOf({ maxInFlight: 101 }).run(() => undefined);
    const { request: first } = await subscribed(brokers[0]);
    const { request: second } = await subscribed(brokers[1]);
    expect(first.claims).toEqual([{ partition: 0, consumerEpoch: 7 }]);
    expect(second.claims).toEqual([{ partition: 1, consumerEpoch: 7 }]);
    expect([first.maxInFlightMessages, second.maxInFlightMessages]).toEqual([50, 50]);
    expect(first.consumer).toBe('c1');
  });

  it('acknowledges what the handler returns from, at the owner of its partition', async () => {
    const seen: number[] = [];
    void consumerOf().run((delivery) => seen.push(delivery.body.offset));
    (await subscribed(brokers[0])).send(0, [1, 2, 3]);
    (await subscribed(brokers[1])).send(1, [4]);
    await eventually(() => {
      expect(outcomesOf(brokers[0])).toEqual([
        [1, Outcome.ACK],
        [2, Outcome.ACK],
        [3, Outcome.ACK],
      ]);
      expect(outcomesOf(brokers[1])).toEqual([[4, Outcome.ACK]]);
    });
    expect(seen.sort()).toEqual([1, 2, 3, 4]);
  });

  it('gives back what the handler throws for, with its reason; RetryLater sets the delay', async () => {
    void consumerOf().run(({ offset }) => {
      throw offset === 1 ? new TypeError('no such customer') : new RetryLater(1_500);
    });
    (await subscribed(brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      const [first, second] = brokers[0].acknowledged;
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
    void consumerOf({ codec }).run((delivery) => delivery.body);
    (await subscribed(brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      expect(outcomesOf(brokers[0])).toEqual([
        [1, Outcome.NACK],
        [2, Outcome.ACK],
      ]);
    });
  });

  it('extends the deadline while a handler is slower than it', async () => {
    brokers[0].ackDeadlineMs = 300;
    const slow: Deferred<void> = createDeferred();
    void consumerOf().run(() => slow.promise);
    (await subscribed(brokers[0])).send(0, [1]);
    await eventually(() => {
      expect(outcomesOf(brokers[0]).filter(([, outcome]) => outcome === Outcome.EXTEND).length).toBeGreaterThan(2);
    });
    slow.resolve();
    await eventually(() => {
      expect(outcomesOf(brokers[0]).at(-1)).toEqual([1, Outcome.ACK]);
    });
  });

  it('runs at most `concurrency` handlers at once', async () => {
    let running = 0;
    let most = 0;
    void consumerOf({ concurrency: 3 }).run(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
    });
    (await subscribed(brokers[0])).send(
      0,
      Array.from({ length: 50 }, (_, offset) => offset),
    );
    await eventually(() => {
      expect(brokers[0].acknowledged).toHaveLength(50);
    });
    expect(most).toBe(3);
  });

  it('stops with messages in flight: running handlers finish, the rest is returned', async () => {
    const gate: Deferred<void> = createDeferred();
    const started: Deferred<void> = createDeferred();
    const consumer = consumerOf({ concurrency: 1 });
    const run = consumer.run(() => {
      started.resolve();
      return gate.promise;
    });
    (await subscribed(brokers[0])).send(0, [1, 2, 3]);
    await started.promise;
    const drained = consumer.drain({ deadlineMs: 5_000 });
    gate.resolve();
    await drained;
    await run;
    expect(outcomesOf(brokers[0]).sort()).toEqual([
      [1, Outcome.ACK],
      [2, Outcome.RETURN],
      [3, Outcome.RETURN],
    ]);
  });

  it('returns at the drain deadline what its handlers still hold, and tells them', async () => {
    const signals: AbortSignal[] = [];
    const consumer = consumerOf();
    const run = consumer.run(async ({ signal }) => {
      signals.push(signal);
      await new Promise(() => undefined);
    });
    (await subscribed(brokers[0])).send(0, [1]);
    await eventually(() => {
      expect(signals).toHaveLength(1);
    });
    await consumer.drain({ deadlineMs: 50 });
    await run;
    expect(signals[0]?.aborted).toBe(true);
    expect(outcomesOf(brokers[0])).toEqual([[1, Outcome.RETURN]]);
  });

  it('lets the caller of `for await` settle by itself', async () => {
    const subscription = subscribed(brokers[0]).then((opened) => {
      opened.send(0, [1, 2, 3]);
    });
    for await (const delivery of consumerOf()) {
      if (delivery.offset === 1) {
        await delivery.ack();
      } else {
        await delivery.nack({ reason: 'no' });
        break;
      }
    }
    await subscription;
    expect(outcomesOf(brokers[0])).toEqual([
      [1, Outcome.ACK],
      [2, Outcome.NACK],
      [3, Outcome.RETURN],
    ]);
  });

  it('subscribes at the new owner when a partition moves, and drops what the old one still sends', async () => {
    const seen: number[] = [];
    void consumerOf({ maxInFlight: 100 }).run((delivery) => seen.push(delivery.offset));
    const old = await subscribed(brokers[0]);
    await subscribed(brokers[1]);
    meta.route('orders', [brokers[1].endpoint, brokers[1].endpoint]);
    const moved = await subscribed(brokers[1], 1);
    expect(moved.request.claims).toEqual([{ partition: 0, consumerEpoch: 7 }]);
    expect(moved.request.maxInFlightMessages).toBe(50);
    old.send(0, [1]);
    moved.send(0, [2]);
    await eventually(() => {
      expect(brokers[1].acknowledged).toHaveLength(1);
    });
    expect(seen).toEqual([2]);
  });

  it('subscribes again when a broker ends the stream', async () => {
    void consumerOf().run(() => undefined);
    (await subscribed(brokers[0])).end('PARTITION_MOVING');
    (await subscribed(brokers[0], 1)).send(0, [5]);
    await eventually(() => {
      expect(outcomesOf(brokers[0])).toEqual([[5, Outcome.ACK]]);
    });
  });

  it('settles at the new owner what was delivered by the old one', async () => {
    const gate: Deferred<void> = createDeferred();
    void consumerOf().run(() => gate.promise);
    (await subscribed(brokers[0])).send(0, [1]);
    brokers[0].answerAck = () => 'NOT_OWNER';
    meta.route('orders', [brokers[1].endpoint, brokers[1].endpoint]);
    gate.resolve();
    await eventually(() => {
      expect(outcomesOf(brokers[1])).toEqual([[1, Outcome.ACK]]);
    });
  });

  it('ends FENCED when another consumer took its name', async () => {
    const run = consumerOf().run(() => undefined);
    (await subscribed(brokers[0])).end('FENCED');
    await expect(run).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('ends with what a broker refuses for good', async () => {
    const run = consumerOf().run(() => undefined);
    (await subscribed(brokers[0])).end('GROUP_NOT_FOUND');
    await expect(run).rejects.toBeInstanceOf(HermesError);
  });

  it('tells of decisions that were refused', async () => {
    const refused: [string, string][] = [];
    brokers[0].answerAck = () => 'STALE_DELIVERY';
    void consumerOf({ onSettleFailure: (error, id) => refused.push([error.code, id]) }).run(() => undefined);
    (await subscribed(brokers[0])).send(0, [8]);
    await eventually(() => {
      expect(refused).toEqual([['STALE_DELIVERY', 'orders/0/0/8']]);
    });
  });

  it('keeps open subscriptions while no meta-server is there', async () => {
    void consumerOf().run(() => undefined);
    const subscription = await subscribed(brokers[0]);
    meta.kill();
    subscription.send(0, [1]);
    await eventually(() => {
      expect(brokers[0].acknowledged).toHaveLength(1);
    });
  });

  describe('of an EXCLUSIVE group', () => {
    beforeEach(() => {
      brokers[0].mode = GroupMode.EXCLUSIVE;
      brokers[1].mode = GroupMode.EXCLUSIVE;
    });

    it('handles one message of a lane at a time, in order', async () => {
      const seen: number[] = [];
      let running = 0;
      void consumerOf({ concurrency: 8 }).run(async ({ offset }) => {
        running += 1;
        expect(running).toBe(1);
        await new Promise(setImmediate);
        seen.push(offset);
        running -= 1;
      });
      (await subscribed(brokers[0])).send(0, [1, 2, 3, 4]);
      await eventually(() => {
        expect(brokers[0].acknowledged).toHaveLength(4);
      });
      expect(seen).toEqual([1, 2, 3, 4]);
    });

    it('handles nothing behind a failed message until it comes again', async () => {
      const seen: string[] = [];
      void consumerOf().run(({ offset, attempt }) => {
        seen.push(`${offset}.${attempt}`);
        if (attempt === 1 && offset === 1) {
          throw new Error('not yet');
        }
      });
      const subscription = await subscribed(brokers[0]);
      subscription.send(0, [1, 2, 3]);
      await eventually(() => {
        expect(brokers[0].acknowledged).toHaveLength(1);
      });
      subscription.send(0, [1], 2);
      subscription.send(0, [2, 3]);
      await eventually(() => {
        expect(brokers[0].acknowledged).toHaveLength(4);
      });
      expect(seen).toEqual(['1.1', '1.2', '2.1', '3.1']);
    });

    it('gives a revoked partition back once its message is settled', async () => {
      const gate: Deferred<void> = createDeferred();
      const started: Deferred<void> = createDeferred();
      void consumerOf().run(({ partition }) => {
        started.resolve();
        return partition === 0 ? gate.promise : undefined;
      });
      (await subscribed(brokers[0])).send(0, [1]);
      const other = await subscribed(brokers[1]);
      await started.promise;
      const revoke = { assignment: meta.assignment('orders', 0), grace: { seconds: 5, nanos: 0 }, member: 1 };
      meta.leases.get('c1')?.write({ kind: { $case: 'revoke', value: revoke } });
      other.send(1, [9]);
      await eventually(() => {
        expect(brokers[1].acknowledged).toHaveLength(1);
      });
      expect(meta.released).toHaveLength(0);
      gate.resolve();
      await eventually(() => {
        expect(meta.released.map(({ partition }) => partition)).toEqual([0]);
      });
    });
  });
});
