import { HermesError } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

describe('leases', () => {
  let fixture: BrokerFixture;

  beforeEach(async () => {
    fixture = new BrokerFixture();
    await fixture.start();
    await fixture.topic('orders', { partitions: 2 });
    await fixture.group('orders', 'billing');
  });
  afterEach(() => fixture.stop());

  const publishTo = (partition: number) => fixture.publish({ partition, messages: [message('x')] });

  test('the broker registers under its name with its directory, and says what is ready at which revision', () => {
    expect(fixture.meta.registers[0]).toMatchObject({
      broker: 'broker-1',
      endpoint: fixture.broker.endpoint,
      incarnation: fixture.broker.incarnation,
      brokerGroup: 'default',
      held: [],
    });
    expect(fixture.meta.registers[0]?.dataDirectory).not.toBe('');
    expect(fixture.meta.isReady('orders', 0) && fixture.meta.isReady('orders', 1)).toBe(true);
  });

  test('a partition that is revoked is flushed, its stream told, and released', async () => {
    const subscriber = await fixture.subscribe().opened();
    await publishTo(1);
    fixture.meta.revoke('orders', 1);
    await eventually(() => {
      expect(fixture.meta.released.map(({ partition }) => partition)).toEqual([1]);
    });
    expect(subscriber.drained).toEqual([[1]]);
    expect(subscriber.error).toBeUndefined();
    await expect(publishTo(1)).rejects.toMatchObject({ code: 'PARTITION_MOVING' });
    await publishTo(0);
  });

  test('a stream whose last partition leaves ends with a retryable error', async () => {
    const subscriber = await fixture.subscribe({ claims: [{ partition: 1, consumerEpoch: 1 }] }).opened();
    fixture.meta.take('orders', 1);
    await eventually(() => {
      expect(subscriber.error?.retryable).toBe(true);
    });
    expect(subscriber.drained).toEqual([[]]);
  });

  test('at the end of the lease everything closes at once, and comes back by a new grant at a new epoch', async () => {
    const subscriber = await fixture.subscribe().opened();
    const before = fixture.meta.ready.at(-1)?.epoch ?? 0;
    await publishTo(0);
    await subscriber.received(1);
    const [delivery] = subscriber.deliveries;
    fixture.meta.answers = false;
    await eventually(() => {
      expect(subscriber.error).toBeDefined();
    });
    await expect(publishTo(0)).rejects.toMatchObject({ code: 'PARTITION_MOVING' });
    expect(delivery && (await subscriber.settle([delivery]).catch((error: unknown) => error))).toMatchObject({
      code: 'PARTITION_MOVING',
    });
    fixture.meta.ready.splice(0);
    fixture.meta.answers = true;
    await fixture.ready('orders', 2);
    expect(fixture.meta.ready[0]?.epoch).toBeGreaterThan(before);
    expect(fixture.meta.registers.at(-1)?.held).toEqual([]);
    await publishTo(0);
    const again = await fixture.subscribe().opened();
    await again.received(2);
    // A receipt of the earlier owner counts: the message was not given up meanwhile.
    expect(again.deliveries[0]?.offset).toBe(delivery?.offset);
  }, 15_000);

  test('a meta-server that goes away in the middle of a lease is not noticed by callers', async () => {
    const subscriber = await fixture.subscribe().opened();
    const registered = fixture.meta.registers.length;
    fixture.meta.ready.splice(0);
    fixture.meta.endStream(
      new HermesError('NOT_LEADER', 'another leads', { details: { endpoint: fixture.meta.endpoint } }),
    );
    await eventually(() => {
      expect(fixture.meta.registers.length).toBeGreaterThan(registered);
    });
    expect(fixture.meta.registers.at(-1)?.held).toHaveLength(2);
    await fixture.ready('orders', 2);
    await publishTo(0);
    await subscriber.received(1);
    expect(subscriber.error).toBeUndefined();
  });

  test('a grant at a higher epoch opens the partition again; what was there is kept', async () => {
    await publishTo(0);
    const { epoch } = fixture.meta.grant('orders', 0);
    await eventually(() => fixture.meta.isReady('orders', 0, epoch));
    await publishTo(0);
    const subscriber = await fixture.subscribe().opened();
    await subscriber.received(2);
  });

  test('storage that has seen a newer epoch is told to the meta-server, which raises it', async () => {
    const { epoch } = fixture.meta.grant('orders', 0);
    await eventually(() => fixture.meta.isReady('orders', 0, epoch));
    fixture.meta.take('orders', 0);
    fixture.meta.grant('orders', 0, { epoch: 1 });
    await eventually(() => {
      expect(fixture.meta.epochTooLow).toMatchObject([{ observed: epoch, assignment: { epoch: 1 } }]);
    });
    await eventually(() => {
      expect(fixture.meta.ready.at(-1)?.epoch).toBeGreaterThan(epoch);
    });
    await publishTo(0);
  });

  test('a partition whose data is missing although it was made is quarantined, never made again', async () => {
    fixture.meta.addTopic('lost');
    fixture.meta.grant('lost', 0, { created: true });
    await eventually(async () => {
      await expect(fixture.publish({ topic: 'lost', messages: [message('x')], partition: 0 })).rejects.toMatchObject({
        code: 'RECORD_CORRUPT',
      });
    });
    expect(fixture.meta.ready.some(({ topic }) => topic === 'lost')).toBe(false);
  });

  test('a deleted topic is closed and its storage deleted', async () => {
    await publishTo(0);
    fixture.meta.deleteTopic('orders');
    await eventually(async () => {
      await expect(publishTo(0)).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    });
  });

  test('a stop drains: what was taken in is answered, leases are released, callers hear DRAINING', async () => {
    const subscriber = await fixture.subscribe().opened();
    const publishing = Array.from({ length: 50 }, () => publishTo(0).catch((error: unknown) => error as HermesError));
    await publishTo(1);
    await fixture.broker.stop({ deadlineMs: 3_000 });
    expect(fixture.meta.draining).toBe(1);
    expect(fixture.meta.released).toHaveLength(2);
    await subscriber.failed('DRAINING');
    for (const outcome of await Promise.all(publishing)) {
      if (outcome instanceof HermesError) {
        expect(outcome.retryable).toBe(true);
      } else {
        expect(outcome.results[0]?.outcome?.$case).toBe('messageId');
      }
    }
  });
});
