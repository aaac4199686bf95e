import { GroupMode, Outcome } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { type Delivery, RetryLater } from '../src/index.js';
import { type Body, FakeCluster, outcomesOf, subscribed } from './fake-cluster.js';

const offsetsOf = (deliveries: readonly Delivery<Body>[]): number[] => deliveries.map(({ offset }) => offset);

describe('a consumer of batches', () => {
  let cluster: FakeCluster;

  beforeEach(async () => {
    cluster = new FakeCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  const broker = () => cluster.brokers[0];

  it('gets what is there, at most so many, and acknowledges all that its handler returns from', async () => {
    const batches: number[][] = [];
    const gate: Deferred<void> = createDeferred();
    const consumer = cluster.consumer({ concurrency: 1 });
    void consumer.runBatches(
      async (deliveries) => {
        batches.push(offsetsOf(deliveries));
        await gate.promise;
      },
      { size: 3 },
    );
    const subscription = await subscribed(broker());
    subscription.send(0, [1]);
    await eventually(() => {
      expect(batches).toEqual([[1]]);
    });
    subscription.send(0, [2, 3, 4, 5]);
    gate.resolve();
    await eventually(() => {
      expect(outcomesOf(broker())).toEqual([1, 2, 3, 4, 5].map((offset) => [offset, Outcome.ACK]));
    });
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('gives back, when its handler throws, what that has not settled itself', async () => {
    void cluster.consumer().runBatches(async ([first, second]) => {
      await first!.ack();
      await second?.deadLetter('unreadable');
      throw new RetryLater(1_000);
    });
    (await subscribed(broker())).send(0, [1, 2, 3, 4]);
    await eventually(() => {
      expect(outcomesOf(broker())).toEqual([
        [1, Outcome.ACK],
        [2, Outcome.DEAD_LETTER],
        [3, Outcome.NACK],
        [4, Outcome.NACK],
      ]);
    });
    expect(broker().acknowledged[3]?.entry.delay).toEqual({ seconds: 1, nanos: 0 });
  });

  it('waits for others as long as it is told, but not with a full batch', async () => {
    const batches: number[][] = [];
    void cluster.consumer().runBatches((deliveries) => batches.push(offsetsOf(deliveries)), { size: 4, waitMs: 300 });
    const subscription = await subscribed(broker());
    subscription.send(0, [1]);
    subscription.send(0, [2]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(batches).toEqual([]);
    await eventually(() => {
      expect(batches).toEqual([[1, 2]]);
    });
    subscription.send(0, [3, 4, 5]);
    subscription.send(0, [6, 7]);
    await eventually(() => {
      expect(batches).toEqual([
        [1, 2],
        [3, 4, 5, 6],
      ]);
    });
    await eventually(() => {
      expect(batches.at(-1)).toEqual([7]);
    });
  });

  it.each([{ size: 0 }, { size: 10_001 }, { waitMs: -1 }, { waitMs: 60_001 }])('refuses %j', async (options) => {
    await expect(cluster.consumer().runBatches(() => undefined, options)).rejects.toMatchObject({
      code: 'INVALID_FIELD',
    });
  });

  it('of an EXCLUSIVE group has the messages of a lane in one batch, in order, and in no other meanwhile', async () => {
    cluster.brokers.forEach((one) => {
      one.mode = GroupMode.EXCLUSIVE;
    });
    const batches: string[][] = [];
    let running = 0;
    void cluster.consumer({ concurrency: 4 }).runBatches(
      async (deliveries) => {
        running += 1;
        expect(running).toBe(1);
        batches.push(deliveries.map(({ offset, attempt }) => `${offset}.${attempt}`));
        // The last one first: the lane is free only once all of it is settled.
        await deliveries.at(-1)!.ack();
        await new Promise((resolve) => setTimeout(resolve, 20));
        running -= 1;
      },
      { size: 2 },
    );
    (await subscribed(broker())).send(0, [1, 2, 3, 4]);
    await eventually(() => {
      expect(broker().acknowledged).toHaveLength(4);
    });
    expect(batches).toEqual([
      ['1.1', '2.1'],
      ['3.1', '4.1'],
    ]);
  });

  it('of an EXCLUSIVE group that fails gives the first one back, which voids those behind it', async () => {
    cluster.brokers.forEach((one) => {
      one.mode = GroupMode.EXCLUSIVE;
    });
    const batches: string[][] = [];
    const failures: string[] = [];
    void cluster.consumer({ onSettleFailure: ({ code }) => failures.push(code) }).runBatches((deliveries) => {
      batches.push(deliveries.map(({ offset, attempt }) => `${offset}.${attempt}`));
      if (batches.length === 1) {
        throw new Error('not yet');
      }
    });
    const subscription = await subscribed(broker());
    subscription.send(0, [1, 2, 3]);
    await eventually(() => {
      expect(outcomesOf(broker())).toEqual([[1, Outcome.NACK]]);
    });
    subscription.send(0, [1], 2);
    subscription.send(0, [2, 3]);
    await eventually(() => {
      expect(outcomesOf(broker()).slice(1)).toEqual([1, 2, 3].map((offset) => [offset, Outcome.ACK]));
    });
    expect(batches.flat()).toEqual(['1.1', '2.1', '3.1', '1.2', '2.1', '3.1']);
    expect(failures).toEqual([]);
  });
});
