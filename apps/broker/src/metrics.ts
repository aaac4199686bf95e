import { type Metrics } from '@hermes/kit';
import { type Ownership } from './partition/ownership.js';
import { type GroupPump } from './partition/group-pump.js';
import { type Lane } from './partition/lane.js';
import { type Partition } from './partition/partition.js';
import { type PartitionServices } from './partition/partition-services.js';
import { type DataSources } from './storage/data-sources.js';
import { type Subscriber } from './subscribe/subscriber.js';

/** What the metrics are read from. */
export interface MeasuredParts {
  readonly ownership: Ownership;
  readonly subscriber: Subscriber;
  readonly services: PartitionServices;
  readonly dataSources: DataSources;
}

/** Gauges of everything that has a bound, read when they are asked for. */
export function registerMetrics(
  metrics: Metrics,
  { ownership, subscriber, services, dataSources }: MeasuredParts,
): void {
  const gauge: AddGauge = (name, help, read) => {
    metrics.gauge(name, { help, read });
  };
  const lanes = (value: (lane: Lane) => number): (() => number) => {
    return () => sum([...partitionsOf(ownership)].flatMap((partition) => partition.lanes.map(value)));
  };
  const groups = (value: (pump: GroupPump) => number): (() => number) => {
    return () => sum([...partitionsOf(ownership)].flatMap((partition) => [...partition.groups].map(value)));
  };
  gauge('partitions_open', 'Partitions that are served.', () => ownership.count('open'));
  gauge('partitions_opening', 'Partitions that are being opened.', () => ownership.count('opening'));
  gauge('partitions_quarantined', 'Partitions whose data is damaged.', () => ownership.count('quarantined'));
  registerDataSources(gauge, dataSources);
  gauge('subscriptions_open', 'Subscribe streams that are open.', () => subscriber.count);
  gauge(
    'append_queue_records',
    'Records that wait to be durable.',
    lanes(({ appender }) => appender.pendingRecords),
  );
  gauge('append_queue_bytes', 'Bytes of the same.', () => services.appendBudget.used);
  gauge(
    'appended_records',
    'Records appended by the open partitions.',
    lanes(({ appender }) => appender.counters.records),
  );
  gauge(
    'append_batches',
    'Batches in which they were appended.',
    lanes(({ appender }) => appender.counters.batches),
  );
  gauge('tail_cache_bytes', 'Bytes of records that were just appended.', () => services.tailCache.bytes);
  gauge('page_cache_bytes', 'Bytes of older records that were read.', () => services.pages.bytes);
  gauge('page_loads', 'Pages that were read from storage.', () => services.pages.counters.loads);
  gauge(
    'ready_window_records',
    'Messages that are known and wait for delivery.',
    groups((pump) => pump.gauges.windowRecords),
  );
  gauge(
    'ready_window_bytes',
    'Bytes of the same.',
    groups((pump) => pump.gauges.windowBytes),
  );
  gauge(
    'settled_ranges',
    'Ranges of settled offsets above the floors.',
    groups((pump) => pump.gauges.settledRanges),
  );
  gauge(
    'retry_rows',
    'Stored retries.',
    groups((pump) => pump.gauges.retries),
  );
  gauge(
    'in_flight_messages',
    'Deliveries that are not settled.',
    groups((pump) => sum(pump.holders().map(({ inFlight }) => inFlight))),
  );
}

/** Registers a gauge that is read when it is asked for. */
type AddGauge = (name: string, help: string, read: () => number) => void;

function registerDataSources(gauge: AddGauge, dataSources: DataSources): void {
  gauge('data_sources', 'Servers that partitions are stored on.', () => dataSources.reports().length);
  gauge(
    'data_sources_failing',
    'Those of them that do not answer, or cannot be used.',
    () => dataSources.reports().filter(({ problem }) => problem !== '').length,
  );
  gauge(
    'log_lost_records',
    'Acknowledged records that were gone from a server when their partition was opened.',
    () => dataSources.counters.lostRecords,
  );
  gauge(
    'data_source_server_changes',
    'Times that another server, or a restored one, answered for a data source.',
    () => dataSources.counters.serverChanges,
  );
}

function* partitionsOf(ownership: Ownership): Generator<Partition> {
  for (const topic of ownership.topics) {
    yield* topic.partitions;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
