import { StoreError } from '@hermes/log';
import { eventually } from '@hermes/testing';
import { OwnershipFixture } from '../../test/ownership-fixture.js';

describe('Ownership', () => {
  let fixture: OwnershipFixture;

  beforeEach(async () => {
    fixture = new OwnershipFixture();
    await fixture.start();
    fixture.meta.addTopic('orders');
  });
  afterEach(() => fixture.stop());

  const isOpen = (op: string): boolean => op === 'open';
  /** Long enough for whatever asks the meta-server once to have its answer. */
  const roundTrips = async (): Promise<void> => {
    for (const topic of ['x', 'y', 'z']) {
      await fixture.ownership.refusal(topic, 0);
    }
  };

  test('what is given back while it is being opened is released once the opening has ended', async () => {
    const assignment = fixture.assignment('orders', 1);
    await fixture.while(
      isOpen,
      () => {
        fixture.change({ opened: [assignment] });
      },
      async () => {
        fixture.ownership.revoked(assignment, 1_000);
        await eventually(() => fixture.ownership.count('opening') === 0);
        expect(fixture.reports).toEqual([]);
      },
    );
    await fixture.reported('released orders/0@1 r1');
  });

  test('what is granted anew while it is being opened is opened after that, and served', async () => {
    const first = fixture.assignment('orders', 1);
    const next = fixture.assignment('orders', 2);
    let opens = 0;
    await fixture.while(
      (op) => {
        opens += op === 'open' ? 1 : 0;
        return op === 'open';
      },
      () => {
        fixture.change({ opened: [first] });
      },
      async () => {
        fixture.change({ closed: [first], opened: [next] });
        await roundTrips();
        expect(opens).toBe(1);
      },
    );
    await fixture.reported('ready orders/0@2 r1');
    expect(fixture.ownership.topic('orders')?.served(0)?.epoch).toBe(2);
    expect(fixture.reports).toEqual(['ready orders/0@2 r1']);
  });

  test('a partition that was being opened when its topic was deleted leaves nothing in storage', async () => {
    const assignment = fixture.assignment('orders', 1);
    await fixture.while(
      isOpen,
      () => {
        fixture.change({ opened: [assignment] });
      },
      async () => {
        fixture.meta.deleteTopic('orders');
        fixture.change({ closed: [assignment] });
        await roundTrips();
      },
    );
    let deleted = 0;
    fixture.engine.before = ({ op }) => {
      deleted += op === 'delete' ? 1 : 0;
      return Promise.resolve();
    };
    await eventually(() => deleted > 0);
    await eventually(async () => (await fixture.engine.stored()) === 0);
  });

  test('what is granted while everything is given back is given back at once', async () => {
    await fixture.ownership.drain(1_000);
    fixture.change({ opened: [fixture.assignment('orders', 1)] });
    expect(fixture.reports).toEqual(['released orders/0@1 r1']);
    expect(fixture.ownership.count('opening')).toBe(0);
  });

  test('who asks for a partition that is being opened waits until it is served', async () => {
    let waiting: Promise<void> | undefined;
    await fixture.while(
      isOpen,
      () => {
        fixture.change({ opened: [fixture.assignment('orders', 1)] });
      },
      () => {
        waiting = fixture.ownership.opening('orders', [0]);
        expect(fixture.ownership.topic('orders')?.served(0)).toBeUndefined();
      },
    );
    expect(waiting).toBeDefined();
    await waiting;
    expect(fixture.ownership.topic('orders')?.served(0)).toBeDefined();
    expect(fixture.ownership.opening('orders', [0, 1])).toBeUndefined();
  });

  test.each([
    [true, 8],
    [false, 12],
  ])('given back at once, if others can have them (%s): %d partitions of 12', async (movable, atOnce) => {
    fixture.engine.movable = movable;
    fixture.meta.addTopic('wide', { partitions: 12 });
    const wide = Array.from({ length: 12 }, (_, partition) => fixture.assignment('wide', 1, { partition }));
    fixture.change({ opened: wide });
    await eventually(() => fixture.ownership.count('open') === 12);
    let closing = 0;
    await fixture.while(
      (op) => {
        closing += op === 'close' ? 1 : 0;
        return op === 'close';
      },
      () => {
        wide.forEach((assignment) => {
          fixture.ownership.revoked(assignment, 1_000);
        });
      },
      async () => {
        await eventually(() => closing >= atOnce);
        await roundTrips();
        expect(closing).toBe(atOnce);
      },
    );
    await eventually(() => fixture.reports.filter((line) => line.startsWith('released wide')).length === 12);
  });

  test('topics that cannot be read do not keep others from being opened', async () => {
    fixture.meta.addTopic('dark', { partitions: 16 });
    fixture.meta.catalog.unreadable.add('dark');
    const dark = Array.from({ length: 16 }, (_, partition) => fixture.assignment('dark', 1, { partition }));
    fixture.change({ opened: [...dark, fixture.assignment('orders', 1)] });
    await fixture.reported('ready orders/0@1 r1');
    fixture.meta.catalog.unreadable.clear();
    await fixture.reported('ready dark/15@1 r1');
  });

  test('a new meta-server is told the revision that is applied, not the one that was heard of', async () => {
    const assignment = fixture.assignment('orders', 1);
    fixture.change({ opened: [assignment] });
    await fixture.reported('ready orders/0@1 r1');
    fixture.meta.catalog.unreadable.add('orders');
    fixture.change({ updated: [{ ...assignment, revision: 2 }] });
    fixture.ownership.registered();
    await eventually(() => fixture.reports.length === 2);
    expect(fixture.reports).toEqual(['ready orders/0@1 r1', 'ready orders/0@1 r1']);
    fixture.meta.catalog.unreadable.clear();
    await fixture.reported('ready orders/0@1 r2');
  });

  test('a store that cannot be closed ends no process', async () => {
    const assignment = fixture.assignment('orders', 1);
    fixture.change({ opened: [assignment] });
    await fixture.reported('ready orders/0@1 r1');
    fixture.engine.before = ({ op }) =>
      op === 'close' ? Promise.reject(new StoreError('unavailable', 'not reachable')) : Promise.resolve();
    fixture.ownership.revoked(assignment, 1_000);
    await fixture.reported('released orders/0@1 r1');
    expect(fixture.fatal).toEqual([]);
  });
});
