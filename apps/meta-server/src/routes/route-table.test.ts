import { RouteTable } from './route-table.js';

const route = (partition: number, endpoint = 'b:1') => ({ partition, endpoint, epoch: 1 });

describe('the route table', () => {
  test('versions grow with each change, and a later leadership starts above all of an earlier one', () => {
    const [first, second] = [new RouteTable(1), new RouteTable(2)];
    const start = first.version;
    first.apply([{ topic: 'a', partitionCount: 1, routes: [route(0)] }]);
    expect(first.version).toBeGreaterThan(start);
    expect(second.version).toBeGreaterThan(first.version + 1_000_000);
  });

  test('frames tell what is pending as it is now, and a deleted topic has no partitions', () => {
    const table = new RouteTable(1);
    table.apply([{ topic: 'a', partitionCount: 2, routes: [route(0), route(1)] }]);
    table.apply([{ topic: 'a', partitionCount: 2, routes: [route(1, '')] }]);
    expect(table.frames(new Map([['a', [1]]]), false)).toEqual([
      { version: table.version, snapshot: false, topics: [{ topic: 'a', partitionCount: 2, routes: [route(1, '')] }] },
    ]);
    table.apply([{ topic: 'a', partitionCount: 0, routes: [] }]);
    expect(table.frames(new Map([['a', [0]]]), false)[0]?.topics).toEqual([
      { topic: 'a', partitionCount: 0, routes: [] },
    ]);
  });

  test('a large snapshot is split: the first frame replaces, the others add', () => {
    const table = new RouteTable(1);
    const topics = Array.from({ length: 20 }, (_, index) => `t${index}`);
    const routes = Array.from({ length: 1_000 }, (_, partition) => route(partition));
    table.apply(topics.map((topic) => ({ topic, partitionCount: 1_000, routes })));
    const frames = table.frames(new Map(topics.map((topic) => [topic, table.partitionsOf(topic)])), true);
    expect(frames.map(({ snapshot }) => snapshot)).toEqual([true, false, false]);
    expect(frames.flatMap((frame) => frame.topics.map(({ topic }) => topic))).toEqual(topics);
    expect(frames.every((frame) => frame.topics.reduce((sum, { routes: told }) => sum + told.length, 0) <= 8_000)).toBe(
      true,
    );
  });
});
