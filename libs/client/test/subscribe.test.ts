import { HermesError, Outcome } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { FakeCluster, outcomesOf, subscribed } from './fake-cluster.js';

describe('a subscription to a cluster', () => {
  let cluster: FakeCluster;

  beforeEach(async () => {
    cluster = new FakeCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('subscribes at every owner with its claims and shares the credit out', async () => {
    void cluster.consumer({ maxInFlight: 101 }).run(() => undefined);
    const { request: first } = await subscribed(cluster.brokers[0]);
    const { request: second } = await subscribed(cluster.brokers[1]);
    expect(first.claims).toEqual([{ partition: 0, consumerEpoch: 7 }]);
    expect(second.claims).toEqual([{ partition: 1, consumerEpoch: 7 }]);
    expect([first.maxInFlightMessages, second.maxInFlightMessages]).toEqual([50, 50]);
    expect(first.consumer).toBe('c1');
  });

  it('subscribes at the new owner when a partition moves, and drops what the old one still sends', async () => {
    const seen: number[] = [];
    void cluster.consumer({ maxInFlight: 100 }).run((delivery) => seen.push(delivery.offset));
    const old = await subscribed(cluster.brokers[0]);
    await subscribed(cluster.brokers[1]);
    cluster.meta.route('orders', [cluster.brokers[1].endpoint, cluster.brokers[1].endpoint]);
    const moved = await subscribed(cluster.brokers[1], 1);
    expect(moved.request.claims).toEqual([{ partition: 0, consumerEpoch: 7 }]);
    expect(moved.request.maxInFlightMessages).toBe(50);
    old.send(0, [1]);
    moved.send(0, [2]);
    await eventually(() => {
      expect(cluster.brokers[1].acknowledged).toHaveLength(1);
    });
    expect(seen).toEqual([2]);
  });

  it('subscribes again when a broker ends the stream', async () => {
    void cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('PARTITION_MOVING');
    (await subscribed(cluster.brokers[0], 1)).send(0, [5]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([[5, Outcome.ACK]]);
    });
  });

  it('settles at the new owner what was delivered by the old one', async () => {
    const gate: Deferred<void> = createDeferred();
    void cluster.consumer().run(() => gate.promise);
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    cluster.brokers[0].answerAck = () => 'NOT_OWNER';
    cluster.meta.route('orders', [cluster.brokers[1].endpoint, cluster.brokers[1].endpoint]);
    gate.resolve();
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[1])).toEqual([[1, Outcome.ACK]]);
    });
  });

  it('ends FENCED when another consumer took its name', async () => {
    const run = cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('FENCED');
    await expect(run).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('subscribes again when a request of its own that reached the broker late took the partition', async () => {
    void cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('FENCED', { epoch: '7' });
    const again = await subscribed(cluster.brokers[0], 1);
    expect(again.request.claims).toEqual([{ partition: 0, consumerEpoch: 7 }]);
  });

  it('ends with what a broker refuses for good', async () => {
    const run = cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('GROUP_NOT_FOUND');
    await expect(run).rejects.toBeInstanceOf(HermesError);
  });

  it('keeps open subscriptions while no meta-server is there', async () => {
    void cluster.consumer().run(() => undefined);
    const subscription = await subscribed(cluster.brokers[0]);
    cluster.meta.kill();
    subscription.send(0, [1]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(1);
    });
  });

  it('subscribes anew to a partition that its stream goes on without', async () => {
    cluster.meta.route('orders', [cluster.brokers[0].endpoint, cluster.brokers[0].endpoint]);
    void cluster.consumer().run(() => undefined);
    const first = await subscribed(cluster.brokers[0]);
    first.drain([1]);
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request.claims).toEqual([{ partition: 1, consumerEpoch: 7 }]);
    first.send(0, [1]);
    second.send(1, [2]);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0]).sort()).toEqual([
        [1, Outcome.ACK],
        [2, Outcome.ACK],
      ]);
    });
  });

  it('resumes a partition at its new owner: what is handled stays its own, and is settled there', async () => {
    const gate: Deferred<void> = createDeferred();
    const handled: number[] = [];
    void cluster.consumer().run(async ({ offset }) => {
      handled.push(offset);
      await gate.promise;
    });
    const [one, other] = cluster.brokers;
    const first = await subscribed(one);
    await subscribed(other);
    first.send(0, [1]);
    first.send(0, [2]);
    await eventually(() => {
      expect(handled).toEqual([1, 2]);
    });
    first.drain([0]);
    first.end('DRAINING');
    one.unserved.add(0);
    cluster.meta.route('orders', [other.endpoint, other.endpoint]);
    const moved = await subscribed(other, 1);
    expect(moved.request).toMatchObject({
      claims: [{ partition: 0, consumerEpoch: 7 }],
      resume: { subscriptionId: Buffer.from('subscription 0'), lastBatch: 2 },
    });
    moved.send(0, [3]);
    one.answerAck = () => 'NOT_OWNER';
    gate.resolve();
    await eventually(() => {
      expect(outcomesOf(other)).toEqual([1, 2, 3].map((offset) => [offset, Outcome.ACK]));
    });
    expect(handled).toEqual([1, 2, 3]);
  });

  it('resumes a partition which its new owner serves later than others of the same stream', async () => {
    const [one, other] = cluster.brokers;
    cluster.meta.route('orders', [one.endpoint, one.endpoint]);
    const gate: Deferred<void> = createDeferred();
    const signals: AbortSignal[] = [];
    void cluster.consumer().run(async ({ signal }) => {
      signals.push(signal);
      await gate.promise;
    });
    const first = await subscribed(one);
    first.send(0, [1]);
    first.send(1, [2]);
    await eventually(() => {
      expect(signals).toHaveLength(2);
    });
    // What partition 0 had is given back there: that says nothing of partition 1, which is not opened yet.
    other.keepsBroken = false;
    other.unserved.add(1);
    first.drain([]);
    first.end('DRAINING');
    [0, 1].forEach((partition) => one.unserved.add(partition));
    cluster.meta.route('orders', [other.endpoint, other.endpoint]);
    const resume = { subscriptionId: Buffer.from('subscription 0'), lastBatch: 2 };
    const both = await subscribed(other);
    expect(both.request).toMatchObject({ claims: [{ partition: 0 }, { partition: 1 }], resume });
    const later = await subscribed(other, 1);
    expect(later.request).toMatchObject({ claims: [{ partition: 1 }], resume });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    gate.resolve();
  });

  it('asks again for a partition that its owner does not serve yet', async () => {
    cluster.meta.route('orders', [cluster.brokers[0].endpoint, cluster.brokers[0].endpoint]);
    cluster.brokers[0].unserved.add(1);
    void cluster.consumer().run(() => undefined);
    await subscribed(cluster.brokers[0]);
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request.claims).toEqual([{ partition: 1, consumerEpoch: 7 }]);
  });

  it('handles a message again only when its handler has ended', async () => {
    cluster.brokers[0].keepsBroken = false;
    const gate: Deferred<void> = createDeferred();
    const attempts: string[] = [];
    void cluster.consumer().run(async ({ offset, redelivered }) => {
      attempts.push(`${offset}${redelivered ? ' again' : ''}`);
      if (!redelivered) {
        await gate.promise;
      }
    });
    const first = await subscribed(cluster.brokers[0]);
    first.send(0, [1]);
    await eventually(() => {
      expect(attempts).toEqual(['1']);
    });
    first.end('PARTITION_MOVING');
    (await subscribed(cluster.brokers[0], 1)).send(0, [1, 2], 2);
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([[2, Outcome.ACK]]);
    });
    expect(attempts).toEqual(['1', '2 again']);
    gate.resolve();
    await eventually(() => {
      expect(attempts).toEqual(['1', '2 again', '1 again']);
    });
  });

  it('cuts the stream of a partition that is dealt to others, and keeps the rest', async () => {
    cluster.meta.route('orders', [cluster.brokers[0].endpoint, cluster.brokers[0].endpoint]);
    void cluster.consumer().run(() => undefined);
    const { stream } = await subscribed(cluster.brokers[0]);
    cluster.meta.grant('c1', 1, 'orders', [1]);
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request).toMatchObject({ claims: [{ partition: 1, consumerEpoch: 7 }], resume: { lastBatch: 0 } });
    await eventually(() => {
      expect(stream.cancelled).toBe(true);
    });
  });

  it('resumes a stream that broke after its last batch: what is handled stays its own', async () => {
    const gate: Deferred<void> = createDeferred();
    const handled: number[] = [];
    void cluster.consumer().run(async ({ offset }) => {
      handled.push(offset);
      await gate.promise;
    });
    const first = await subscribed(cluster.brokers[0]);
    first.send(0, [1]);
    first.send(0, [2]);
    await eventually(() => {
      expect(handled).toEqual([1, 2]);
    });
    first.break();
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request).toMatchObject({
      claims: [{ partition: 0, consumerEpoch: 7 }],
      resume: { subscriptionId: Buffer.from('subscription 0'), lastBatch: 2 },
    });
    second.end('FENCED', { by: 'resume' });
    const third = await subscribed(cluster.brokers[0], 2);
    third.send(0, [3]);
    gate.resolve();
    await eventually(() => {
      expect(outcomesOf(cluster.brokers[0])).toEqual([1, 2, 3].map((offset) => [offset, Outcome.ACK]));
    });
    expect(handled).toEqual([1, 2, 3]);
  });

  it('starts again where a broker could not resume: what was handled comes again', async () => {
    const gate: Deferred<void> = createDeferred();
    const handled: string[] = [];
    void cluster.consumer().run(async ({ offset, redelivered }) => {
      handled.push(`${offset}${redelivered ? ' again' : ''}`);
      await (redelivered ? undefined : gate.promise);
    });
    cluster.brokers[0].keepsBroken = false;
    const first = await subscribed(cluster.brokers[0]);
    first.send(0, [1]);
    await eventually(() => {
      expect(handled).toEqual(['1']);
    });
    first.break();
    (await subscribed(cluster.brokers[0], 1)).send(0, [1], 2);
    gate.resolve();
    await eventually(() => {
      expect(handled).toEqual(['1', '1 again']);
    });
  });

  it('ends FENCED when its lease gives everything to another of its name', async () => {
    const run = cluster.consumer().run(() => undefined);
    await subscribed(cluster.brokers[0]);
    cluster.meta.grant('c1', 1, 'orders', []);
    await expect(run).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('is not kept from its lease by another consumer of the process whose group is gone', async () => {
    cluster.meta.groups = new Set(['billing']);
    const other = cluster.hermes.consumer('orders', 'nowhere', { name: 'c0' }).run(() => undefined);
    void cluster.consumer().run(() => undefined);
    await expect(other).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    await subscribed(cluster.brokers[0]);
  });

  it('goes on when a broker found it too slow', async () => {
    void cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('SLOW_CONSUMER');
    await subscribed(cluster.brokers[0], 1);
  });
});
