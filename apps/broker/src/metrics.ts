import { type Metrics } from '@hermes/kit';
import { type KafkaFigures } from '@hermes/log-kafka';
import { type Ownership } from './partition/ownership.js';
import { type GroupPump } from './partition/group-pump.js';
import { type Lane } from './partition/lane.js';
import { type Partition } from './partition/partition.js';
import { type PartitionServices } from './partition/partition-services.js';
import { type DataSources } from './storage/data-sources.js';
import { type Subscriber } from './subscribe/subscriber.js';

/** What is measured. */
export interface Measured {
  readonly ownership: Ownership;
  readonly subscriber: Subscriber;
  readonly services: PartitionServices;
  readonly dataSources: DataSources;
  /** True while no meta-server answers and the metadata database renews the lease. */
  readonly isRenewedInDatabase: () => boolean;
}

/** A gauge: its name, what it means, and how it is read. */
type GaugeEntry = readonly [string, string, () => number];

/** Gauges of everything that has a bound, read when they are asked for. */
export function registerMetrics(metrics: Metrics, measured: Measured): void {
  const gauges = [partitionGauges, groupGauges, dataSourceGauges, kafkaGauges].flatMap((of) => of(measured));
  for (const [name, help, read] of gauges) {
    metrics.gauge(name, { help, read });
  }
}

function partitionGauges({ ownership, subscriber, services, isRenewedInDatabase }: Measured): GaugeEntry[] {
  const { appendBudget, tailCache, pages } = services;
  const lanes = (value: (lane: Lane) => number): (() => number) => {
    return () => sum([...partitionsOf(ownership)].flatMap((partition) => partition.lanes.map(value)));
  };
  return [
    [
      'lease_renewed_in_database',
      '1 while no meta-server answers and the metadata database renews the lease.',
      () => Number(isRenewedInDatabase()),
    ],
    ['partitions_open', 'Partitions that are served.', () => ownership.count('open')],
    ['partitions_opening', 'Partitions that are being opened.', () => ownership.count('opening')],
    ['partitions_quarantined', 'Partitions whose data is damaged.', () => ownership.count('quarantined')],
    ['subscriptions_open', 'Subscribe streams that are open.', () => subscriber.count],
    ['append_queue_records', 'Records that wait to be durable.', lanes(({ appender }) => appender.pendingRecords)],
    ['append_queue_bytes', 'Bytes of the same.', () => appendBudget.used],
    ['tail_cache_bytes', 'Bytes of records that were just appended.', () => tailCache.bytes],
    ['page_cache_bytes', 'Bytes of older records that were read.', () => pages.bytes],
    ['page_loads', 'Pages that were read from storage.', () => pages.counters.loads],
  ];
}

function groupGauges({ ownership, services: { inFlight } }: Measured): GaugeEntry[] {
  const groups = (value: (pump: GroupPump) => number): (() => number) => {
    return () => sum([...partitionsOf(ownership)].flatMap((partition) => [...partition.groups].map(value)));
  };
  const held = (pump: GroupPump): number => sum(pump.holders().map((holder) => holder.inFlight));
  const bound = inFlight.messagesMax.toLocaleString('en');
  const pooled = `The same, and settled ones that are not durable yet; at most ${bound}.`;
  return [
    ['ready_window_records', 'Messages known and not delivered.', groups(({ gauges }) => gauges.windowRecords)],
    ['ready_window_bytes', 'Bytes of the same.', groups(({ gauges }) => gauges.windowBytes)],
    ['settled_ranges', 'Ranges of settled offsets above the floors.', groups(({ gauges }) => gauges.settledRanges)],
    ['retry_rows', 'Stored retries.', groups(({ gauges }) => gauges.retries)],
    ['in_flight_messages', 'Deliveries that are not settled.', groups(held)],
    ['in_flight_pool_messages', pooled, () => inFlight.used],
    ['in_flight_waiting_groups', 'Groups, by partition, that wait for room among them.', () => inFlight.waiting],
  ];
}

function dataSourceGauges({ dataSources }: Measured): GaugeEntry[] {
  const failing = (): number => dataSources.reports().filter(({ problem }) => problem !== '').length;
  const { counters } = dataSources;
  const lost = 'Acknowledged records that were gone from a server when their partition was opened.';
  const changes = 'Times that another server, or a restored one, answered for a data source.';
  return [
    ['data_sources', 'Servers that partitions are stored on.', () => dataSources.reports().length],
    ['data_sources_failing', 'Those of them that do not answer, or cannot be used.', failing],
    ['log_lost_records', lost, () => counters.lostRecords],
    ['data_source_server_changes', changes, () => counters.serverChanges],
  ];
}

function kafkaGauges({ dataSources }: Measured): GaugeEntry[] {
  const all = (value: (figures: KafkaFigures) => number): (() => number) => {
    return () => sum(dataSources.kafkaFigures().map(value));
  };
  const failing = 'Those of them that no Kafka broker leads, or whose last fetch has failed.';
  const doubt = 'Batches of which it is not known whether Kafka has stored them.';
  const heldBack = 'Those that were not opened, as that address had been tried too often just before.';
  return [
    ['kafka_lanes_followed', 'Lanes in Kafka whose ends are followed.', all(({ lanesFollowed }) => lanesFollowed)],
    ['kafka_lanes_failing', failing, all(({ lanesFailing }) => lanesFailing)],
    ['kafka_appends_waiting', 'Batches that wait for the request before.', all(({ appendsWaiting }) => appendsWaiting)],
    ['kafka_appends_in_doubt', doubt, all(({ appendsInDoubt }) => appendsInDoubt)],
    ['kafka_append_repeats', 'Attempts to append what was in doubt again.', all(({ appendRepeats }) => appendRepeats)],
    ['kafka_oversized_appends', 'Batches larger than Kafka took.', all(({ oversizedAppends }) => oversizedAppends)],
    ['kafka_connections', 'Connections that were opened since the start.', all(({ connections }) => connections)],
    ['kafka_connections_held_back', heldBack, all(({ connectionsHeldBack }) => connectionsHeldBack)],
  ];
}

function* partitionsOf(ownership: Ownership): Generator<Partition> {
  for (const topic of ownership.topics) {
    yield* topic.partitions;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
