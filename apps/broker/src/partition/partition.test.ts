import { GroupMode } from '@hermes/contracts';
import { StoreError } from '@hermes/log';
import { createDeferred } from '@hermes/runtime';
import { eventually } from '@hermes/testing';
import { OwnershipFixture } from '../../test/ownership-fixture.js';
import { type Partition } from './partition.js';

describe('groups of a Partition', () => {
  let fixture: OwnershipFixture;
  let partition: Partition;

  beforeEach(async () => {
    fixture = new OwnershipFixture();
    await fixture.start();
    partition = await fixture.servesOrders();
  });
  afterEach(() => fixture.stop());

  test('nobody finds a group while it changes its mode', async () => {
    const before = partition.group('a');
    await fixture.while(
      (op) => op === 'load',
      () => {
        fixture.meta.setGroup('orders', 'a', { mode: GroupMode.SHARED });
        fixture.change({ updated: [fixture.assignment('orders', 1)] });
      },
      () => {
        expect(partition.group('a')).toBeUndefined();
      },
    );
    await fixture.reported('ready orders/0@1 r3');
    expect(partition.group('a')).not.toBe(before);
    expect(partition.group('a')?.settings.mode).toBe('shared');
  });

  test('is drained once, however often that is asked for: by a revoke, and as the broker stops', async () => {
    const save = jest.spyOn(partition.known, 'save');
    await Promise.all([partition.drain(1_000), partition.drain(1_000)]);
    expect(save).toHaveBeenCalledTimes(1);
    expect(partition.isServing).toBe(false);
  });

  test('a stream that found a group before it stopped is refused, not left waiting', () => {
    const pump = partition.group('a');
    void partition.close();
    expect(() => pump?.join({} as never)).toThrow('is moving');
  });

  test('applying groups fails only once nothing is under way, so that no group is made twice', async () => {
    const held = createDeferred();
    let loads = 0;
    fixture.engine.before = async ({ op }) => {
      if (op === 'load') {
        loads += 1;
        if (loads === 1) {
          throw new StoreError('unavailable', 'not reachable');
        }
        await held.promise;
      }
    };
    const { settings: topic, groups } = partition.topic;
    const [known] = groups.values();
    const made = ['b', 'c'].map((name, index) => ({ ...known!, name, id: 100 + index }));
    partition.topic.update({ topic, groups: [known!, ...made] }, 3);
    let failure: unknown;
    const applied = partition.applyGroups().catch((error: unknown) => {
      failure = error;
    });
    await eventually(() => loads === 2);
    await new Promise(setImmediate);
    expect(failure).toBeUndefined();
    held.resolve(undefined);
    await applied;
    expect(failure).toMatchObject({ kind: 'unavailable' });
    expect(partition.group('c')).toBeDefined();
  });
});
