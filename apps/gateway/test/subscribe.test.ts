import { eventually } from '@hermes/testing';
import { codesOf, GatewayCluster, message } from './gateway-cluster.js';

describe('subscribing through a gateway', () => {
  let cluster: GatewayCluster;

  beforeEach(async () => {
    cluster = new GatewayCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('subscribes at every owner, accepts first, and numbers the batches of all of them', async () => {
    const { frames } = cluster.subscribe({ maxInFlightMessages: 30 });
    await eventually(() => {
      expect(cluster.brokers[0].subscriptions.length + cluster.brokers[1].subscriptions.length).toBe(2);
    });
    expect(cluster.brokers[0].subscriptions[0]?.request.maxInFlightMessages).toBe(20);
    expect(cluster.brokers[1].subscriptions[0]?.request.maxInFlightMessages).toBe(10);
    cluster.brokers[0].subscriptions[0]?.send(0, 1);
    cluster.brokers[1].subscriptions[0]?.send(1, 2);
    cluster.brokers[0].subscriptions[0]?.send(2, 3);
    await eventually(() => {
      expect(frames).toHaveLength(4);
    });
    const [accepted, ...batches] = frames.map(({ frame }) => frame);
    expect(accepted).toMatchObject({ $case: 'accepted', value: { partitions: [0, 1, 2] } });
    expect(batches.map((frame) => (frame?.$case === 'batch' ? frame.value.sequence : 0))).toEqual([1, 2, 3]);
  });

  it('holds the leases of all subscribers on one stream, and leaves with them', async () => {
    const { stream } = cluster.subscribe({ consumer: 'c1' });
    cluster.subscribe({ consumer: 'c2' });
    await eventually(() => {
      expect(cluster.meta.joined.map(({ consumer }) => consumer).sort()).toEqual(['c1', 'c2']);
      expect(cluster.brokers[0].subscriptions).toHaveLength(2);
    });
    expect(cluster.meta.leaseStreams).toBe(1);
    stream.cancel();
    await eventually(() => {
      expect(
        cluster.brokers[0].subscriptions.find(({ request }) => request.consumer === 'c1')?.stream.signal.aborted,
      ).toBe(true);
    });
  });

  it('ends the earlier of two subscribers of one name with FENCED', async () => {
    const first = cluster.subscribe();
    await eventually(() => {
      expect(first.frames).toHaveLength(1);
    });
    const second = cluster.subscribe();
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
  ])('refuses a subscription with %s', async (_, over, code) => {
    const { error } = cluster.subscribe(over);
    await eventually(() => {
      expect(error()?.code).toBe(code);
    });
  });

  it('takes nothing more from the owners while a subscriber does not read', async () => {
    const { stream, frames } = cluster.subscribe();
    await eventually(() => {
      expect(cluster.brokers[1].subscriptions).toHaveLength(1);
      expect(frames).toHaveLength(1);
    });
    stream.pause();
    const body = Buffer.alloc(256 * 1024);
    let sent = 0;
    await eventually(() => {
      const held = cluster.brokers[1].subscriptions[0]!.stream.bufferedBytes;
      if (held === 0) {
        cluster.brokers[1].subscriptions[0]?.send(1, (sent += 1), body);
      }
      expect(held).toBeGreaterThan(0);
    });
    expect(sent).toBeLessThan(100);
    stream.resume();
    await eventually(() => {
      expect(frames).toHaveLength(1 + sent);
    });
  });

  it('is resumed: the owners are asked for what the subscriber has missed of each', async () => {
    const first = cluster.subscribe();
    const [one, other] = cluster.brokers;
    await eventually(() => {
      expect([one.subscriptions.length, other.subscriptions.length]).toEqual([1, 1]);
      expect(first.frames).toHaveLength(1);
    });
    for (const [nth, [broker, partition]] of (
      [
        [one, 0],
        [other, 1],
        [one, 2],
        [one, 0],
      ] as const
    ).entries()) {
      broker.subscriptions[0]?.send(partition, nth);
      await eventually(() => {
        expect(first.frames).toHaveLength(2 + nth);
      });
    }
    const accepted = first.frames[0]?.frame;
    const subscriptionId = accepted?.$case === 'accepted' ? accepted.value.subscriptionId : Buffer.alloc(0);
    first.stream.cancel();
    const second = cluster.subscribe({ resume: { subscriptionId, lastBatch: 2 } });
    await eventually(() => {
      expect([one, other].map(({ subscriptions }) => subscriptions[1]?.request.resume?.lastBatch)).toEqual([1, 1]);
    });
    one.subscriptions[1]?.send(2, 2);
    await eventually(() => {
      expect(second.frames.map(({ frame }) => frame)).toMatchObject([
        { $case: 'accepted', value: { resumed: true, subscriptionId } },
        { $case: 'batch', value: { sequence: 3 } },
      ]);
    });
    expect(cluster.meta.joined).toHaveLength(1);
    const never = cluster.subscribe({ resume: { subscriptionId, lastBatch: 4 } });
    await eventually(() => {
      expect(never.error()?.code).toBe('INVALID_FIELD');
    });
  });

  it('goes on with known routes and open subscriptions while no meta-server is there', async () => {
    const { frames } = cluster.subscribe();
    await eventually(() => {
      expect(cluster.brokers[1].subscriptions).toHaveLength(1);
    });
    await cluster.meta.kill();
    cluster.brokers[1].subscriptions[0]?.send(1, 1);
    await eventually(() => {
      expect(frames).toHaveLength(2);
    });
    expect(codesOf(await cluster.publish({ topic: 't', messages: [message('a')] }))).toEqual(['messageId']);
    await expect(cluster.publish({ topic: 'new', messages: [message('a')] }, 600)).rejects.toMatchObject({
      code: 'PARTITION_MOVING',
    });
  });

  it('ends subscriptions with DRAINING when it stops', async () => {
    const { frames, error } = cluster.subscribe();
    await eventually(() => {
      expect(frames).toHaveLength(1);
    });
    await cluster.gateway.stop({ deadlineMs: 1_000 });
    await eventually(() => {
      expect(error()?.code).toBe('DRAINING');
    });
    expect(frames.at(-1)?.frame?.$case).toBe('draining');
  });
});
