import { DeadLetter, GroupMode } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { placed } from '../harness/placed.js';
import { type DeliverySuite, PATIENCE } from './delivery-suite.js';

/** Where groups begin and go to, and what they want. */
export function describeGroups(suite: DeliverySuite): void {
  test('a group starts at a time: before, between, at and after what is there', async () => {
    const name = await suite.topic({ partitions: 1 });
    const times: Date[] = [];
    for (const text of ['a', 'b']) {
      const [id = ''] = await suite.publish(name, [text]);
      const { publishedAt } = await suite.hermes.admin.getMessage(id);
      times.push(new Date((publishedAt?.seconds ?? 0) * 1_000 + (publishedAt?.nanos ?? 0) / 1e6));
      await eventually(() => Date.now() > times.at(-1)!.getTime() + 5, PATIENCE);
    }
    const [first = new Date(), second = new Date()] = times;
    const starts = {
      before: new Date(first.getTime() - 1_000),
      at: first,
      between: new Date(first.getTime() + 1),
      after: new Date(second.getTime() + 1),
    };
    for (const [group, start] of Object.entries(starts)) {
      const seconds = Math.floor(start.getTime() / 1_000);
      const value = { seconds, nanos: (start.getTime() - seconds * 1_000) * 1e6 };
      await suite.hermes.admin.createGroup({ topic: name, name: group, start: { kind: { $case: 'time', value } } });
    }
    const lag = async (group: string) => (await suite.progress(name, group)).lag;
    expect(await Promise.all(Object.keys(starts).map(lag))).toEqual([2, 2, 1, 0]);
  });

  test('a group is moved while it is consumed, by the command line; a message is looked at', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
    const consumer = suite.consume(name, 'billing');
    const [id = ''] = await suite.publish(name, ['a', 'b', 'c', 'd']);
    await eventually(async () => {
      expect(consumer.seen).toHaveLength(4);
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    expect(await suite.cli('group', 'seek', name, 'billing', 'earliest')).toMatchObject({ code: 0 });
    await eventually(async () => {
      expect([...consumer.seen].sort()).toEqual(['a#1', 'a#1', 'b#1', 'b#1', 'c#1', 'c#1', 'd#1', 'd#1']);
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await consumer.stop();
    expect(await suite.hermes.admin.seek(name, 'billing', { shift: -1 }, { dryRun: true })).toHaveLength(2);
    const looked = await suite.cli('message', 'get', id);
    expect(looked).toMatchObject({ code: 0, output: expect.stringMatching(/^key +a$/m) as unknown });
    expect(await suite.cli('message', 'get', `${id}9`)).toMatchObject({ code: 1 });
  });

  test('a group that is deleted and made again under its name begins anew', async () => {
    const name = await suite.topic();
    const { admin } = suite.hermes;
    await admin.createGroup({ topic: name, name: 'billing' });
    const first = suite.consume(name, 'billing', (text) => {
      if (text === 'bad') {
        throw new DeadLetter('bad');
      }
    });
    await suite.publish(name, ['a', 'bad']);
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 1 });
    }, PATIENCE);
    await first.stop();
    await suite.publish(name, ['unread']);
    await admin.deleteGroup(name, 'billing');
    await expect(admin.getGroup(name, 'billing')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    await admin.createGroup({ topic: name, name: 'billing' });
    expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    const second = suite.consume(name, 'billing');
    await suite.publish(name, ['new']);
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      expect(second.seen).toEqual(['new#1']);
    }, PATIENCE);
    await second.stop();
  });

  test('partitions and priority levels are added while it is consumed', async () => {
    const name = await suite.topic({ partitions: 1 });
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
    const consumer = suite.consume(name, 'billing');
    const before = Array.from({ length: 50 }, (_, nth) => `before-${nth}`);
    await suite.publish(name, before);
    await suite.hermes.admin.updateTopic({ name, partitions: 3, priorityLevels: 2 }, ['partitions', 'priority_levels']);
    const after: string[] = [];
    const used = new Set<string | undefined>();
    // The gateway is asked again, after a while, how many partitions there are.
    await eventually(
      async () => {
        const more = Array.from({ length: 50 }, (_, nth) => `after-${after.length + nth}`);
        after.push(...more);
        const ids = await suite.publish(name, more, { priority: 1 });
        ids.forEach((id) => used.add(id.split('/')[1]));
        expect(used).toEqual(new Set(['0', '1', '2']));
      },
      { ...PATIENCE, intervalMs: 500 },
    );
    await eventually(async () => {
      expect([...new Set(consumer.seen)].sort()).toEqual([...before, ...after].map((text) => `${text}#1`).sort());
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await consumer.stop();
    await expect(suite.hermes.admin.updateTopic({ name, partitions: 1 }, ['partitions'])).rejects.toMatchObject({
      code: 'IMMUTABLE_FIELD',
    });
  });

  test('a filter and priority levels hold through the gateway', async () => {
    const name = await suite.topic({ priorityLevels: 3 });
    const filter = 'tag~a*';
    await suite.hermes.admin.createGroup({ topic: name, name: 'some', filter, mode: GroupMode.SHARED });
    await suite.publish(name, ['a0', 'a1'], { attributes: { tag: 'alpha' }, priority: 0 });
    await suite.publish(name, ['b0', 'b1'], { attributes: { tag: 'beta' }, priority: 1 });
    await suite.publish(name, ['a2', 'a3'], { attributes: { tag: 'alpha' }, priority: 2 });
    const consumer = suite.consume(name, 'some');
    await eventually(async () => {
      expect([...consumer.seen].sort()).toEqual(['a0#1', 'a1#1', 'a2#1', 'a3#1']);
      expect(await suite.progress(name, 'some')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await consumer.stop();
    const found: string[] = [];
    for await (const { messageId } of suite.hermes.admin.readMessages(name, { filter: 'priority == 2' })) {
      found.push(messageId.split('/')[2]!);
    }
    expect(found).toEqual(['2', '2']);
    expect(await placed(suite.hermes, name)).toHaveLength(2);
  });
}
