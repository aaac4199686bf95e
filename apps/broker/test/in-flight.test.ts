import { GroupMode } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message, type TestSubscriber } from './broker-fixture.js';

const IN_FLIGHT_MAX = 10;

describe('what a broker has in flight', () => {
  let fixture: BrokerFixture;

  beforeEach(async () => {
    fixture = new BrokerFixture({ inFlightMax: IN_FLIGHT_MAX });
    await fixture.start();
    await fixture.topic('orders', { partitions: 2 });
    await fixture.group('orders', 'a', { mode: GroupMode.SHARED });
    await fixture.group('orders', 'b');
  });
  afterEach(() => fixture.stop());

  const publish = (count: number): Promise<string[]> =>
    fixture.publishTexts(
      'orders',
      Array.from({ length: count }, (_, nth) => `${nth}`),
    );
  const inFlight = (): Promise<number> => fixture.metric('hermes_broker_in_flight_pool_messages');
  const comesTo = async (count: number): Promise<void> => {
    await eventually(async () => {
      expect(await inFlight()).toBe(count);
    });
  };
  const join = (group: string): Promise<TestSubscriber> => fixture.subscribe({ group, consumer: group }).opened();

  test('never exceeds the bound of the process, and two groups that want more both come to an end', async () => {
    await publish(100);
    const streams = [await join('a'), await join('b')];
    const settled = [0, 0];
    const open = (): number[] => streams.map(({ deliveries }, nth) => deliveries.length - (settled[nth] ?? 0));
    await eventually(() => open().reduce((sum, count) => sum + count) === IN_FLIGHT_MAX);
    while (settled.some((count) => count < 100)) {
      await eventually(() => open().some((count) => count > 0));
      expect(await inFlight()).toBeLessThanOrEqual(IN_FLIGHT_MAX);
      const unsettled = open();
      expect(unsettled.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(IN_FLIGHT_MAX);
      const nth = unsettled.indexOf(Math.max(...unsettled));
      const from = settled[nth] ?? 0;
      settled[nth] = streams[nth]?.deliveries.length ?? 0;
      await streams[nth]?.settle(streams[nth].deliveries.slice(from, settled[nth]));
    }
    expect(streams.map(({ deliveries }) => deliveries.length)).toEqual([100, 100]);
    await comesTo(0);
    expect(await fixture.metric('hermes_broker_in_flight_waiting_groups')).toBe(0);
  });

  test('a group that settles nothing leaves room for another', async () => {
    await fixture.topic('one');
    await fixture.group('one', 'a', { mode: GroupMode.SHARED });
    await fixture.group('one', 'b');
    await fixture.publishTexts('one', new Array<string>(40).fill('x'));
    const hoarder = await fixture.subscribe({ topic: 'one', group: 'a' }).opened();
    await hoarder.received(IN_FLIGHT_MAX - 1);
    const other = await fixture.subscribe({ topic: 'one', group: 'b' }).opened();
    for (let settled = 0; settled < 40; settled += 1) {
      await other.received(settled + 1);
      await other.settle(other.deliveries.slice(settled, settled + 1));
    }
    expect(hoarder.deliveries).toHaveLength(IN_FLIGHT_MAX - 1);
    await hoarder.settle(hoarder.deliveries.slice());
    await hoarder.received(IN_FLIGHT_MAX);
  });

  test.each<[string, (stream: TestSubscriber) => void]>([
    [
      'its stream ends',
      (stream) => {
        stream.cancel();
      },
    ],
    [
      'its group is deleted',
      () => {
        fixture.meta.deleteGroup('orders', 'a');
      },
    ],
    [
      'its partitions are given back',
      () => {
        fixture.meta.revoke('orders', 0);
        fixture.meta.revoke('orders', 1);
      },
    ],
    [
      'its partitions are taken',
      () => {
        fixture.meta.take('orders', 0);
        fixture.meta.take('orders', 1);
      },
    ],
    [
      'its group changes its mode',
      () => {
        fixture.meta.setGroup('orders', 'a', { mode: GroupMode.KEY_ORDERED });
      },
    ],
    [
      'its lease ends',
      () => {
        fixture.meta.answers = false;
      },
    ],
  ])('is free again when %s', async (_, end) => {
    await publish(5);
    const stream = await join('a');
    await stream.received(5);
    expect(await inFlight()).toBe(5);
    end(stream);
    await comesTo(0);
  });

  test('a stream may use at once what it held of a partition that leaves it', async () => {
    const publishTo = (partition: number, count: number): Promise<unknown> =>
      fixture.publish({ partition, messages: Array.from({ length: count }, () => message('x')) });
    const stream = await fixture.subscribe({ group: 'a', consumer: 'a', maxInFlightMessages: 4 }).opened();
    await publishTo(1, 4);
    await stream.received(4);
    await publishTo(0, 4);
    fixture.meta.take('orders', 1);
    await stream.received(8);
    expect(stream.deliveries.slice(4).every(({ partition }) => partition === 0)).toBe(true);
  });
});
