import { StoreError } from '@hermes/log';
import { eventually } from '@hermes/testing';
import { OwnershipFixture } from '../../test/ownership-fixture.js';
import { type Partition } from '../partition/partition.js';

describe('a PartitionSchedule', () => {
  let fixture: OwnershipFixture;
  const served = (): Partition => fixture.ownership.topic('orders')!.served(0)!;

  beforeEach(async () => {
    fixture = new OwnershipFixture();
    await fixture.start();
    fixture.meta.addTopic('orders');
    fixture.change({ opened: [fixture.assignment('orders', 1)] });
    await fixture.reported('ready orders/0@1 r1');
  });
  afterEach(() => fixture.stop());

  const schedule = async (partition: Partition, ...texts: readonly string[]): Promise<void> => {
    const dueAtMs = Math.ceil(partition.timeMs()) + 20;
    const entries = texts.map((text) => ({ lane: 0, dueAtMs, record: Buffer.from(text) }));
    expect(await partition.schedule.add(entries)).toMatchObject({ result: { kind: 'committed' } });
  };
  /** All that stands in the log. */
  const logged = async (partition: Partition): Promise<string[]> => {
    const { log } = partition.lanes[0]!;
    const block = await log.read(log.firstOffset, { maxRecords: 1_000, maxBytes: 1_000_000 });
    return Array.from({ length: block.count }, (_, index) => Buffer.from(block.record(index)).toString());
  };

  test('what a dead owner had appended and not deleted is not appended again by the next one', async () => {
    const dead = served();
    fixture.engine.before = ({ op }) =>
      op === 'unschedule' ? Promise.reject(new StoreError('unavailable', 'gone')) : Promise.resolve();
    await schedule(dead, 'a', 'b');
    await eventually(async () => {
      expect(await logged(dead)).toEqual(['a', 'b']);
    });
    expect(await dead.schedule.counts()).toEqual([2]);
    fixture.change({ closed: [fixture.assignment('orders', 1)] });
    fixture.engine.before = () => Promise.resolve();
    fixture.change({ opened: [fixture.assignment('orders', 2)] });
    await fixture.reported('ready orders/0@2 r1');
    const next = served();
    expect(await next.schedule.counts()).toEqual([]);
    await schedule(next, 'c');
    await eventually(async () => {
      expect(await logged(next)).toEqual(['a', 'b', 'c']);
    });
  });

  test('promotes the others though the store does not take one of them any more', async () => {
    const partition = served();
    const lane = partition.lanes[0]!;
    jest.spyOn(lane.log, 'fits').mockImplementation((_, bytes) => bytes <= 'small'.length);
    await schedule(partition, 'a', 'too large', 'small');
    await eventually(async () => {
      expect(await logged(partition)).toEqual(['a', 'small']);
    });
    await eventually(async () => {
      expect(await partition.schedule.counts()).toEqual([1]);
    });
    jest.restoreAllMocks();
    await eventually(async () => {
      expect(await logged(partition)).toEqual(['a', 'small', 'too large']);
    });
  });

  test('promotes nothing of a lane before what it promoted is deleted', async () => {
    const partition = served();
    let deletes = 0;
    fixture.engine.before = ({ op }) => {
      deletes += op === 'unschedule' ? 1 : 0;
      return op === 'unschedule' && deletes < 3
        ? Promise.reject(new StoreError('unavailable', 'gone'))
        : Promise.resolve();
    };
    await schedule(partition, 'a');
    await eventually(() => deletes === 1);
    await schedule(partition, 'b');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await logged(partition)).toEqual(['a']);
    await eventually(async () => {
      expect(await logged(partition)).toEqual(['a', 'b']);
    });
    await eventually(async () => {
      expect(await partition.schedule.counts()).toEqual([]);
    });
  });

  test('what cannot be withdrawn is delivered', async () => {
    const partition = served();
    const dueAtMs = Math.ceil(partition.timeMs()) + 150;
    const { ids } = await partition.schedule.add([{ lane: 0, dueAtMs, record: Buffer.from('a') }]);
    let failing = true;
    fixture.engine.before = ({ op }) =>
      op === 'unschedule' && failing ? Promise.reject(new StoreError('unavailable', 'gone')) : Promise.resolve();
    await expect(partition.schedule.cancel(ids[0]!)).rejects.toMatchObject({ kind: 'unavailable' });
    failing = false;
    await eventually(async () => {
      expect(await logged(partition)).toEqual(['a']);
    });
  });
});
