import { type Metrics } from '@hermes/kit';

import { type Election } from './election.js';
import { type Cluster } from './leases/cluster.js';
import { type Term } from './term.js';

/** Registers a gauge for each bound and each fact of the leases; all are read at the scrape. 0 while another one leads. */
export function registerMetrics(metrics: Metrics, election: Pick<Election, 'term'>): void {
  const gauges: readonly (readonly [string, string, (term: Term) => number])[] = [
    ['leading', '1 while this meta-server leads.', ({ leadership }) => Number(leadership.isValid())],
    ['leadership_epoch', 'Grows at each change of the leader.', ({ leadership }) => leadership.epoch],
    ['routes_version', 'Version of the routes.', ({ table }) => table.version],
    ['topics', 'Topics that have partitions.', ({ table }) => [...table.topics].length],
    ['partitions', 'Partitions of all topics.', ({ cluster }) => partitions(cluster)],
    ['unowned_partitions', 'Partitions without an owner.', ({ cluster }) => partitions(cluster, 'UNOWNED')],
    [
      'moving_partitions',
      'Partitions whose owner does not serve them yet, or gives them back.',
      ({ cluster }) => partitions(cluster, 'MOVING'),
    ],
    ['active_brokers', 'Brokers that may get partitions.', ({ cluster }) => activeBrokers(cluster)],
    ['broker_lease_streams', 'Open lease streams of brokers.', ({ brokers }) => brokers.sessions],
    ['consumer_lease_streams', 'Open lease streams of consumers.', ({ consumers }) => consumers.sessions],
    ['route_watches', 'Open watches of routes.', ({ watch }) => watch.watchers],
    ['waiting_calls', 'Calls that wait for owners to be ready.', ({ cluster }) => cluster.readiness.waiters],
    [
      'waiting_effects',
      'Decisions of the broker leases that are not carried out yet.',
      ({ brokers }) => brokers.waitingEffects,
    ],
    ['highest_epoch', 'Highest epoch granted for any partition.', ({ cluster }) => highestEpoch(cluster)],
  ];
  for (const [name, help, read] of gauges) {
    metrics.gauge(name, { help, read: () => (election.term === undefined ? 0 : read(election.term)) });
  }
}

function partitions(cluster: Cluster, state?: string): number {
  return cluster.partitions()?.filter((view) => state === undefined || view.state === state).length ?? 0;
}

function activeBrokers(cluster: Cluster): number {
  return cluster.brokers().filter(({ state }) => state === 'ACTIVE').length;
}

function highestEpoch(cluster: Cluster): number {
  return (cluster.partitions() ?? []).reduce((highest, { epoch }) => Math.max(highest, epoch), 0);
}
