import { type Metrics } from '@hermes/kit';
import { type Metadata } from '@hermes/metadata';

import { type BrokerLeaseHost } from './leases/broker-lease-host.js';
import { type Cluster } from './leases/cluster.js';
import { type ConsumerLeaseHost } from './leases/consumer-lease-host.js';
import { type RouteTable } from './routes/route-table.js';
import { type RouteWatch } from './routes/watch-routes.js';

/** What is measured. */
export interface Measured {
  readonly metadata: Metadata;
  readonly brokers: BrokerLeaseHost;
  readonly consumers: ConsumerLeaseHost;
  readonly cluster: Cluster;
  readonly watch: RouteWatch;
  readonly table: RouteTable;
}

/** Registers a gauge for each bound and each fact of the leases; all are read at the scrape. */
export function registerMetrics(metrics: Metrics, measured: Measured): void {
  const { metadata, brokers, consumers, cluster, watch, table } = measured;
  const partitions = (state?: string): number =>
    cluster.partitions()?.filter((view) => state === undefined || view.state === state).length ?? 0;
  const gauges: readonly (readonly [string, string, () => number])[] = [
    ['leadership_epoch', 'Grows at each change of the leader.', () => metadata.leadership.epoch],
    ['routes_version', 'Version of the routes.', () => table.version],
    ['topics', 'Topics that have partitions.', () => [...table.topics].length],
    ['partitions', 'Partitions of all topics.', () => partitions()],
    ['unowned_partitions', 'Partitions without an owner.', () => partitions('UNOWNED')],
    [
      'moving_partitions',
      'Partitions whose owner does not serve them yet, or gives them back.',
      () => partitions('MOVING'),
    ],
    ['active_brokers', 'Brokers that may get partitions.', () => activeBrokers(cluster)],
    ['broker_lease_streams', 'Open lease streams of brokers.', () => brokers.sessions],
    ['consumer_lease_streams', 'Open lease streams of consumers.', () => consumers.sessions],
    ['route_watches', 'Open watches of routes.', () => watch.watchers],
    ['waiting_calls', 'Calls that wait for owners to be ready.', () => cluster.readiness.waiters],
    ['waiting_effects', 'Decisions of the broker leases that are not carried out yet.', () => brokers.waitingEffects],
    ['highest_epoch', 'Highest epoch granted for any partition.', () => highestEpoch(cluster)],
  ];
  for (const [name, help, read] of gauges) {
    metrics.gauge(name, { help, read });
  }
}

function activeBrokers(cluster: Cluster): number {
  return cluster.brokers().filter(({ state }) => state === 'ACTIVE').length;
}

function highestEpoch(cluster: Cluster): number {
  return (cluster.partitions() ?? []).reduce((highest, { epoch }) => Math.max(highest, epoch), 0);
}
