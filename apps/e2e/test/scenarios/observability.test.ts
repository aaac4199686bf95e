import { connect, stringCodec } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';

const SERVER = ['grpc_connections', 'grpc_open_streams', 'grpc_calls_total', 'event_loop_lag_seconds'];

/** For everything that has a bound: how much of it is used. */
const METRICS: Record<string, readonly string[]> = {
  'meta-server': [
    ...SERVER,
    ...['topics', 'partitions', 'unowned_partitions', 'moving_partitions', 'active_brokers', 'highest_epoch'],
    ...['broker_lease_streams', 'consumer_lease_streams', 'route_watches', 'waiting_calls', 'waiting_effects'],
  ],
  broker: [
    ...SERVER,
    ...['partitions_open', 'partitions_opening', 'partitions_quarantined', 'subscriptions_open'],
    ...['append_queue_records', 'append_queue_bytes', 'tail_cache_bytes', 'page_cache_bytes', 'page_loads'],
    ...['ready_window_records', 'ready_window_bytes', 'settled_ranges', 'retry_rows'],
    ...['in_flight_messages', 'in_flight_pool_messages', 'in_flight_waiting_groups'],
  ],
  gateway: [...SERVER, 'subscriptions', 'publish_queue_bytes', 'channels', 'consumer_leases', 'routes_fresh'],
};

describe('what an operator sees', () => {
  it('every process lives, is ready, and shows a metric for each of its bounds; no payload is in any log', async () => {
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
      const names = new Set([...text.matchAll(/^hermes_([a-z_]+)/gm)].map(([, name]) => name));
      const prefix = component.replaceAll('-', '_');
      expect((METRICS[component] ?? []).filter((name) => !names.has(`${prefix}_${name}`))).toEqual([]);
    }
    await consumer.drain();
    await running;
    for (const process of cluster.processes) {
      await process.end('SIGTERM');
      expect(process.output).not.toContain('secret');
    }
  });
});
