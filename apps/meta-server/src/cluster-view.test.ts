import { AssignmentReason, BrokerState, durationToMs, GroupMode } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { MetaServerFixture, TTL_MS } from '../test/meta-server-fixture.js';

describe('the cluster view', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
    fixture.broker({ incarnation: 77 });
    await fixture.createTopic('orders', 2);
  });

  afterEach(async () => {
    await fixture.stop();
  });

  const leaseMs = (lease: { seconds: number; nanos: number } | undefined): number => durationToMs(lease!)!;

  test('a broker is shown with its process, its lease, its drain and what is on its way', async () => {
    const { admin } = fixture;
    const [before] = (await admin.getCluster({})).brokers;
    expect(before).toMatchObject({
      incarnation: 77,
      drained: false,
      partitions: 2,
      movingPartitions: 0,
      dataDirectory: 'd1',
      weight: 1,
    });
    expect(leaseMs(before!.leaseLeft)).toBeGreaterThan(0);
    expect(leaseMs(before!.leaseLeft)).toBeLessThanOrEqual(TTL_MS + 500);
    await admin.drainBroker({ broker: 'b1', cancel: false });
    expect((await admin.getCluster({})).brokers).toMatchObject([{ state: BrokerState.DRAINING, drained: true }]);
  });

  test('a broker that is gone holds no lease', async () => {
    const silent = fixture.broker({ name: 'b2', dataDirectory: 'd2', incarnation: 5, heartbeats: false });
    const found = async (name: string) => (await fixture.admin.getCluster({})).brokers.find((one) => one.name === name);
    await eventually(async () => (await found('b2'))?.incarnation === 5);
    await eventually(() => silent.ended !== undefined);
    expect(await found('b2')).toMatchObject({ state: BrokerState.GONE, incarnation: 0, leaseLeft: undefined });
  });

  test('partitions tell why they are where they are', async () => {
    const { partitions } = await fixture.admin.listPartitions({ topic: 'orders', pageToken: '' });
    expect(partitions.map(({ reason }) => reason)).toEqual(Array(2).fill(AssignmentReason.DATA_DIRECTORY));
  });

  test('consumers are listed by group if they are asked for, the waiting ones too', async () => {
    const { admin } = fixture;
    await fixture.createGroup('orders', 'one', GroupMode.EXCLUSIVE);
    await fixture.createGroup('orders', 'all', GroupMode.SHARED);
    const stream = fixture.consumer();
    stream.join(1, 'b', 'one');
    await eventually(() => stream.held(1).length === 2);
    stream.join(2, 'a', 'all');
    await eventually(() => stream.held(2).length === 2);
    expect((await admin.getCluster({})).consumers).toEqual([]);
    const { consumers } = await admin.getCluster({ consumers: true });
    const told = consumers.map(({ group, consumer, connected, held }) => [
      ...[group, consumer, connected],
      ...held.map(({ partition }) => partition),
    ]);
    expect(told).toEqual([
      ['all', 'a', true, 0, 1],
      ['one', 'b', true, 0, 1],
    ]);
    const [shared, exclusive] = consumers.map(({ held }) => new Set(held.map(({ epoch }) => epoch)).size);
    expect([shared, exclusive]).toEqual([1, 2]);
    expect(leaseMs(consumers[0]!.leaseLeft)).toBeGreaterThan(0);
  });
});
