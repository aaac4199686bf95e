import { Durability } from '@hermes/contracts';

import { DataSourceHealth } from './data-source-health.js';

const report = { dataSource: 'm1', problem: '', version: '8.4', durability: Durability.DURABLE };

describe('DataSourceHealth', () => {
  test('keeps the beginning of long texts, and as many reports as there can be data sources', () => {
    const health = new DataSourceHealth();
    const long = { ...report, problem: 'p'.repeat(10_000), version: 'v'.repeat(10_000) };
    health.note('b1', 1, [long, ...Array.from({ length: 2_000 }, () => report)]);
    const [first, ...more] = health.of('m1');
    const { durability } = report;
    expect(first).toEqual({ broker: 'b1', problem: 'p'.repeat(500), version: 'v'.repeat(100), durability });
    expect(more).toHaveLength(999);
  });

  test('what is said on a newer stream outlives the older one', () => {
    const health = new DataSourceHealth();
    health.note('b1', 1, [report]);
    health.note('b1', 2, [report]);
    health.forget('b1', 1);
    expect(health.of('m1')).toHaveLength(1);
    health.forget('b1', 2);
    expect(health.of('m1')).toEqual([]);
    health.note('b1', 3, [report]);
    health.forget('b1');
    expect(health.of('m1')).toEqual([]);
  });

  test('a durability that nobody knows is refused, and what was said before stays', () => {
    const health = new DataSourceHealth();
    health.note('b1', 1, [report]);
    expect(() => {
      health.note('b1', 1, [Object.assign({}, report, { durability: 99 })]);
    }).toThrow('heartbeat.data_sources[0].durability');
    expect(health.of('m1')).toHaveLength(1);
  });
});
