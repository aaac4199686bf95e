import { GroupMode } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { FakeCluster, subscribed } from './fake-cluster.js';

describe('a consumer of an EXCLUSIVE group', () => {
  let cluster: FakeCluster;

  beforeEach(async () => {
    cluster = new FakeCluster();
    await cluster.start();
    cluster.brokers.forEach((broker) => {
      broker.mode = GroupMode.EXCLUSIVE;
    });
  });

  afterEach(() => cluster.stop());

  it('handles one message of a lane at a time, in order', async () => {
    const seen: number[] = [];
    let running = 0;
    void cluster.consumer({ concurrency: 8 }).run(async ({ offset }) => {
      running += 1;
      expect(running).toBe(1);
      await new Promise(setImmediate);
      seen.push(offset);
      running -= 1;
    });
    (await subscribed(cluster.brokers[0])).send(0, [1, 2, 3, 4]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(4);
    });
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('handles nothing behind a failed message until it comes again', async () => {
    const seen: string[] = [];
    void cluster.consumer().run(({ offset, attempt }) => {
      seen.push(`${offset}.${attempt}`);
      if (attempt === 1 && offset === 1) {
        throw new Error('not yet');
      }
    });
    const subscription = await subscribed(cluster.brokers[0]);
    subscription.send(0, [1, 2, 3]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(1);
    });
    subscription.send(0, [1], 2);
    subscription.send(0, [2, 3]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(4);
    });
    expect(seen).toEqual(['1.1', '1.2', '2.1', '3.1']);
  });

  it('gives a revoked partition back once its message is settled', async () => {
    const gate: Deferred<void> = createDeferred();
    const started: Deferred<void> = createDeferred();
    void cluster.consumer().run(({ partition }) => {
      started.resolve();
      return partition === 0 ? gate.promise : undefined;
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    const other = await subscribed(cluster.brokers[1]);
    await started.promise;
    const revoke = { assignment: cluster.meta.assignment('orders', 0), grace: { seconds: 5, nanos: 0 }, member: 1 };
    cluster.meta.leases.get('c1')?.write({ kind: { $case: 'revoke', value: revoke } });
    other.send(1, [9]);
    await eventually(() => {
      expect(cluster.brokers[1].acknowledged).toHaveLength(1);
    });
    expect(cluster.meta.released).toHaveLength(0);
    gate.resolve();
    await eventually(() => {
      expect(cluster.meta.released.map(({ partition }) => partition)).toEqual([0]);
    });
  });

  it('does not subscribe to a partition that it is giving back, though grants still list it', async () => {
    const gate: Deferred<void> = createDeferred();
    const started: Deferred<void> = createDeferred();
    void cluster.consumer().run(() => {
      started.resolve();
      return gate.promise;
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await started.promise;
    const revoke = { assignment: cluster.meta.assignment('orders', 0), grace: { seconds: 5, nanos: 0 }, member: 1 };
    cluster.meta.leases.get('c1')?.write({ kind: { $case: 'revoke', value: revoke } });
    cluster.meta.grant('c1', 1, 'orders');
    gate.resolve();
    await eventually(() => {
      expect(cluster.meta.released.map(({ partition }) => partition)).toEqual([0]);
    });
    cluster.meta.consumerEpoch = 8;
    cluster.meta.grant('c1', 1, 'orders');
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request.claims).toEqual([{ partition: 0, consumerEpoch: 8 }]);
  });

  it('handles what a new subscription brings, whatever became of a message of the old one', async () => {
    cluster.brokers[0].keepsBroken = false;
    const gate: Deferred<void> = createDeferred();
    const seen: string[] = [];
    void cluster.consumer().run(async ({ offset, redelivered }) => {
      seen.push(`${offset}${redelivered ? ' again' : ''}`);
      if (!redelivered) {
        await gate.promise;
        throw new Error('too late');
      }
    });
    const first = await subscribed(cluster.brokers[0]);
    first.send(0, [1]);
    await eventually(() => {
      expect(seen).toEqual(['1']);
    });
    first.end('PARTITION_MOVING');
    const second = await subscribed(cluster.brokers[0], 1);
    second.send(0, [1, 2], 2);
    (await subscribed(cluster.brokers[1])).send(1, [9], 2);
    await eventually(() => {
      expect(seen).toEqual(['1', '9 again']);
    });
    gate.resolve();
    await eventually(() => {
      expect(seen).toEqual(['1', '9 again', '1 again', '2 again']);
    });
  });

  it('takes a redelivery that comes before the answer to what failed', async () => {
    const seen: string[] = [];
    void cluster.consumer().run(({ offset, attempt }) => {
      seen.push(`${offset}.${attempt}`);
      if (attempt === 1 && offset === 1) {
        throw new Error('not yet');
      }
    });
    const subscription = await subscribed(cluster.brokers[0]);
    const answer: Deferred<void> = createDeferred();
    cluster.brokers[0].beforeAnswer = () => answer.promise;
    subscription.send(0, [1, 2]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(1);
    });
    subscription.send(0, [1], 2);
    subscription.send(0, [2], 2);
    await eventually(() => {
      expect(seen).toEqual(['1.1', '1.2', '2.2']);
    });
    answer.resolve();
  });

  it('subscribes with a newer lease although the older one was fenced after it came', async () => {
    void cluster.consumer().run(() => undefined);
    const first = await subscribed(cluster.brokers[0]);
    cluster.meta.consumerEpoch = 8;
    cluster.meta.grant('c1', 1, 'orders');
    (await subscribed(cluster.brokers[1])).send(1, [1]);
    await eventually(() => {
      expect(cluster.brokers[1].acknowledged).toHaveLength(1);
    });
    first.end('FENCED');
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request.claims).toEqual([{ partition: 0, consumerEpoch: 8 }]);
  });

  it('tells the meta-server of a newer holder than it is itself, and goes on with what it is granted then', async () => {
    void cluster.consumer().run(() => undefined);
    (await subscribed(cluster.brokers[0])).end('FENCED', { epoch: '90' });
    await eventually(() => {
      expect([...cluster.meta.epochsTooLow]).toEqual([[7, 90]]);
    });
    cluster.meta.consumerEpoch = 91;
    cluster.meta.grant('c1', 1, 'orders');
    const second = await subscribed(cluster.brokers[0], 1);
    expect(second.request.claims).toEqual([{ partition: 0, consumerEpoch: 91 }]);
  });

  it('gives a revoked partition up at the end of its grace, and tells the handler', async () => {
    const handled: number[] = [];
    let signal: AbortSignal | undefined;
    void cluster.consumer().run(async (delivery) => {
      handled.push(delivery.offset);
      ({ signal } = delivery);
      await new Promise((resolve) => {
        delivery.signal.addEventListener('abort', resolve);
      });
    });
    (await subscribed(cluster.brokers[0])).send(0, [1, 2]);
    await eventually(() => {
      expect(handled).toEqual([1]);
    });
    const grace = { seconds: 0, nanos: 50_000_000 };
    const revoke = { assignment: cluster.meta.assignment('orders', 0), grace, member: 1 };
    cluster.meta.leases.get('c1')?.write({ kind: { $case: 'revoke', value: revoke } });
    await eventually(() => {
      expect(cluster.meta.released.map(({ partition }) => partition)).toEqual([0]);
      expect(signal?.aborted).toBe(true);
    });
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(1);
    });
    expect(handled).toEqual([1]);
  });
});
