import { HermesError, Outcome } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { connect } from '../src/index.js';
import { FakeCluster, outcomesOf, subscribed } from './fake-cluster.js';

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    (error: unknown) => (error instanceof HermesError ? error.code : `not a HermesError: ${String(error)}`),
  );

describe('a client that closes', () => {
  let cluster: FakeCluster;

  beforeEach(async () => {
    cluster = new FakeCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('returns what its handlers still hold at the deadline', async () => {
    const started: Deferred<void> = createDeferred();
    const run = cluster.consumer().run(async () => {
      started.resolve();
      await new Promise(() => undefined);
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await started.promise;
    await cluster.hermes.close({ deadlineMs: 50 });
    await run;
    expect(outcomesOf(cluster.brokers[0])).toEqual([[1, Outcome.RETURN]]);
  });

  it('waits for what its handlers publish while they end', async () => {
    const started: Deferred<void> = createDeferred();
    const gate: Deferred<void> = createDeferred();
    const producer = cluster.hermes.producer('orders');
    void cluster.consumer().run(async () => {
      started.resolve();
      await gate.promise;
      void producer.publish('from the handler');
    });
    (await subscribed(cluster.brokers[0])).send(0, [1]);
    await started.promise;
    const closed = cluster.hermes.close({ deadlineMs: 5_000 });
    gate.resolve();
    await closed;
    expect(cluster.brokers.flatMap(({ stored }) => stored)).toHaveLength(1);
  });

  it('refuses what is called afterwards', async () => {
    const { hermes } = cluster;
    const producer = hermes.producer('orders');
    await hermes.close({ deadlineMs: 0 });
    expect(await codeOf(producer.publish('late'))).toBe('DRAINING');
    expect(await codeOf(hermes.admin.getTopic('orders'))).toBe('DRAINING');
    expect(await codeOf(cluster.consumer().run(() => undefined))).toBe('DRAINING');
  });

  it('does not wait for the answers of a server that gives none', async () => {
    const answers: string[] = [];
    const consumer = cluster.consumer({ onSettleFailure: ({ code }) => answers.push(code) });
    const run = consumer.run(() => undefined);
    const subscription = await subscribed(cluster.brokers[0]);
    cluster.brokers[0].beforeAnswer = () => new Promise(() => undefined);
    subscription.send(0, [1]);
    await eventually(() => {
      expect(cluster.brokers[0].acknowledged).toHaveLength(1);
    });
    await consumer.drain({ deadlineMs: 0 });
    await run;
    expect(answers).toEqual([]);
  });

  it('ends what it reads', async () => {
    const reading = (async (): Promise<void> => {
      for await (const message of cluster.hermes.admin.readMessages('orders', { follow: true })) {
        expect(message).toBeUndefined();
      }
    })();
    const outcome = codeOf(reading);
    await eventually(() => {
      expect(cluster.brokers[0].reads).toBe(1);
    });
    await cluster.hermes.close({ deadlineMs: 0 });
    expect(await outcome).toBe('DRAINING');
  });
});

describe('a client of a gateway that is away', () => {
  it('refuses what is published after it was closed', async () => {
    const hermes = await connect({ gateway: '127.0.0.1:1' });
    const producer = hermes.producer('orders');
    await hermes.close({ deadlineMs: 0 });
    expect(await codeOf(producer.publish('late'))).toBe('DRAINING');
  });

  it('ends its consumers when it is closed', async () => {
    const hermes = await connect({ gateway: '127.0.0.1:1' });
    const run = hermes.consumer('orders', 'billing').run(() => undefined);
    await hermes.close({ deadlineMs: 0 });
    await run;
  });
});
