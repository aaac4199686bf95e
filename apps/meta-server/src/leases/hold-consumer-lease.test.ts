import { GroupMode } from '@hermes/contracts';
import { eventually as eventuallyWithin } from '@hermes/testing';

import { failureOf, MetaServerFixture } from '../../test/meta-server-fixture.js';

/** Below Jest's own limit, so that what is not true is told. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => eventuallyWithin(check, { deadlineMs: 3_000 });

describe('HoldConsumerLease', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  beforeEach(async () => {
    fixture.broker({ endpoint: '127.0.0.1:7' });
    await fixture.createTopic('orders', 4);
  });

  test('EXCLUSIVE partitions are dealt, handed over at a join, and told with the owner’s endpoint', async () => {
    await fixture.createGroup('orders', 'g', GroupMode.EXCLUSIVE);
    const one = fixture.consumer();
    one.join(1, 'c1');
    await eventually(() => {
      expect(one.held(1)).toEqual([0, 1, 2, 3]);
    });
    const grant = one.responses.find((kind) => kind.$case === 'grant' && kind.value.changed)?.value as never as {
      assignments: { endpoint: string; epoch: number }[];
    };
    expect(grant.assignments[0]).toMatchObject({ endpoint: '127.0.0.1:7' });
    expect(grant.assignments[0]!.epoch).toBeGreaterThan(2 ** 24);
    one.join(2, 'c2');
    await eventually(() => {
      expect([one.held(1).length, one.held(2).length]).toEqual([2, 2]);
    });
    const { admin } = fixture;
    const busy = { topic: 'orders', group: 'g', etag: '', force: false };
    expect(await failureOf(admin.deleteGroup(busy))).toMatchObject({ code: 'RESOURCE_IN_USE' });
    expect(await failureOf(admin.deleteTopic({ topic: 'orders', etag: '', force: false }))).toMatchObject({
      code: 'RESOURCE_IN_USE',
    });
    await admin.deleteGroup({ ...busy, force: true });
    await eventually(() => {
      expect(one.ended).toMatchObject({ code: 'GROUP_NOT_FOUND' });
    });
  });

  test('other modes give every consumer every partition; the mode changes only while nobody is subscribed', async () => {
    await fixture.createGroup('orders', 'g', GroupMode.SHARED);
    const [one, two] = [fixture.consumer(), fixture.consumer()];
    one.join(1, 'c1');
    two.join(1, 'c2');
    await eventually(() => {
      expect([one.held(1), two.held(1)]).toEqual([
        [0, 1, 2, 3],
        [0, 1, 2, 3],
      ]);
    });
    const { admin } = fixture;
    const { group } = await admin.getGroup({ topic: 'orders', group: 'g' });
    const change = { group: { ...group!, mode: GroupMode.EXCLUSIVE }, updateMask: ['mode'] };
    expect(await failureOf(admin.updateGroup(change))).toMatchObject({ code: 'RESOURCE_IN_USE' });
    one.send({ $case: 'leave', value: { member: 1 } });
    two.send({ $case: 'leave', value: { member: 1 } });
    await eventually(() => admin.updateGroup(change));
  });

  test('of two consumers of one name the later wins and the earlier ends FENCED', async () => {
    await fixture.createGroup('orders', 'g', GroupMode.EXCLUSIVE);
    const [one, two] = [fixture.consumer(), fixture.consumer()];
    one.join(1, 'c1');
    await eventually(() => one.held(1).length === 4);
    two.join(1, 'c1');
    await eventually(() => {
      expect(one.ended).toMatchObject({ code: 'FENCED' });
    });
    await eventually(() => two.held(1).length === 4);
  });

  test('a stream without heartbeats ends after the TTL; garbage ends its own stream alone', async () => {
    await fixture.createGroup('orders', 'g', GroupMode.EXCLUSIVE);
    const silent = fixture.consumer();
    silent.join(1, 'c1');
    await eventually(() => {
      expect(silent.ended).toMatchObject({ code: 'PARTITION_MOVING', retryable: true });
    });
    const [unknown, empty, member, name] = [
      fixture.consumer(),
      fixture.consumer(),
      fixture.consumer(),
      fixture.consumer(),
    ];
    unknown.join(1, 'c1', 'none');
    empty.send(undefined);
    member.join(0, 'c1');
    name.join(1, 'x'.repeat(129));
    await eventually(() => {
      expect(unknown.ended).toMatchObject({ code: 'GROUP_NOT_FOUND' });
    });
    for (const bad of [empty, member, name]) {
      await eventually(() => {
        expect(bad.ended).toMatchObject({ code: 'INVALID_FIELD' });
      });
    }
  });
});
