import { HermesError, type WatchRoutesResponse } from '@hermes/contracts';
import { RouteTable } from './route-table.js';

const update = (
  snapshot: boolean,
  ...routes: [partition: number, endpoint: string, epoch: number][]
): WatchRoutesResponse => ({
  version: 1,
  snapshot,
  topics: [
    {
      topic: 't',
      partitionCount: 2,
      routes: routes.map(([partition, endpoint, epoch]) => ({ partition, endpoint, epoch })),
    },
  ],
});
const notOwner = (endpoint: string, epoch: number): HermesError =>
  new HermesError('NOT_OWNER', 'elsewhere', { details: { endpoint, epoch: String(epoch) } });

describe('RouteTable', () => {
  it('replaces everything by a snapshot and changes what a delta names', () => {
    const table = new RouteTable();
    table.apply(update(true, [0, 'a:1', 1], [1, 'b:1', 2]));
    table.apply(update(false, [1, 'c:1', 3]));
    expect(table.topic('t')?.map(({ endpoint }) => endpoint)).toEqual(['a:1', 'c:1']);
    table.apply({ version: 2, snapshot: true, topics: [] });
    expect(table.topic('t')).toBeUndefined();
  });

  it('forgets a topic that has no partitions any more', () => {
    const table = new RouteTable();
    table.apply(update(true, [0, 'a:1', 1]));
    table.apply({ version: 2, snapshot: false, topics: [{ topic: 't', partitionCount: 0, routes: [] }] });
    expect(table.topics()).toEqual([]);
  });

  it('keeps the last endpoint of a partition without an owner, and says that it has none', () => {
    const table = new RouteTable();
    table.apply(update(true, [0, 'a:1', 1]));
    table.apply(update(false, [0, '', 1]));
    expect(table.route('t', 0)).toEqual({ endpoint: 'a:1', epoch: 1, owned: false });
    expect(table.route('t', 1)).toEqual({ endpoint: '', epoch: 0, owned: false });
  });

  it('learns a newer owner from NOT_OWNER, and no older one', () => {
    const table = new RouteTable();
    table.apply(update(true, [0, 'a:1', 5]));
    table.learn('t', 0, notOwner('b:1', 6));
    expect(table.route('t', 0)?.endpoint).toBe('b:1');
    table.learn('t', 0, notOwner('a:1', 5));
    table.learn('t', 0, new HermesError('NOT_OWNER', 'nobody known'));
    expect(table.route('t', 0)?.endpoint).toBe('b:1');
  });

  it('tells listeners which topics changed until they stop listening', () => {
    const table = new RouteTable();
    const told: string[][] = [];
    const stop = table.onChange((topics) => told.push([...topics]));
    table.apply(update(true, [0, 'a:1', 1]));
    stop();
    table.apply(update(true, [0, 'b:1', 2]));
    expect(told).toEqual([['t']]);
  });
});
