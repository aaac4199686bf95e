import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { connect, stringCodec } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';

const DOCUMENT = join(__dirname, '../../../../docs/metrics.md');

/** Metrics with their kinds as docs/metrics.md lists them for a process. */
function documented(prefix: string): string[] {
  const rows = readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `hermes_(\w+)` +\| (\w+)/gm);
  return [...rows]
    .map(([, name = '', kind = '']) => `${name.replace(/^process_/, `${prefix}_`)} ${kind}`)
    .filter((metric) => metric.startsWith(`${prefix}_`))
    .sort();
}

describe('what an operator sees', () => {
  it('every process lives, is ready, and shows the metrics that are documented; no payload is in any log', async () => {
    await using cluster = await Cluster.start({ brokers: 1, brokerFlags: ['--log-level', 'debug'] });
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'orders' });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    const producer = hermes.producer('orders', { codec: stringCodec });
    const attributes = { note: 'secret-attribute' };
    await producer.publish('secret-body', { key: 'secret-key', refKey: 'secret-ref', attributes });
    const attempts: number[] = [];
    const consumer = hermes.consumer('orders', 'billing', { codec: stringCodec });
    const running = consumer.run(({ attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) {
        throw new Error('secret-reason');
      }
    });
    await eventually(() => attempts.length === 2, { deadlineMs: 20_000 });
    for (const process of cluster.processes) {
      const component = process.title.replace(/-\d+$/, '');
      expect(await process.ops('/livez')).toMatchObject({ status: 200 });
      expect(await process.ops('/readyz')).toMatchObject({ status: 200 });
      const { text } = await process.ops('/metrics');
      const shown = [...text.matchAll(/^# TYPE hermes_(\w+ \w+)$/gm)].map(([, metric = '']) => metric);
      expect(shown.sort()).toEqual(documented(component.replaceAll('-', '_')));
    }
    await consumer.drain();
    await running;
    for (const process of cluster.processes) {
      await process.end('SIGTERM');
      expect(process.output).not.toContain('secret');
    }
  });
});
