import { type DataSource, type DataSource_Tls, type Durability } from '@hermes/contracts';
import { type Logger } from '@hermes/kit';
import { type Environment, type SecretReference, type StorageEngine } from '@hermes/log';
import { type KafkaFigures } from '@hermes/log-kafka';
import { type Clock, type Random, type Timers } from '@hermes/runtime';

/** What connecting to a data source takes. */
export interface ServerContext {
  /** Where `env:NAME` is looked up. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Of this data source. */
  readonly logger: Logger;
  readonly counters: DataSourceCounters;
}

/** Totals since the start, for metrics. */
export interface DataSourceCounters {
  /** Offsets that were acknowledged or settled and were gone when their partition was opened. */
  lostRecords: number;
  /** Times that another server, or one that was restored, answered. */
  serverChanges: number;
}

/** A data source that partitions are stored on. */
export interface ConnectedServer {
  readonly engine: StorageEngine;
  /** Why it did not answer as it should when it was last asked; undefined if it did. */
  problem(): string | undefined;
  /** Whether the problem is that it did not answer at all. */
  unreachable(): boolean;
  /** Empty where it does not tell. */
  version(): string;
  /** UNSPECIFIED where it differs from topic to topic. */
  durability(): Durability;
  /** Of Kafka clusters alone. */
  readonly kafka?: () => KafkaFigures;
}

/** Where keys and certificates are found; what is empty is left out. */
export function tlsReferences({ ca, certificate, key }: DataSource_Tls): Record<string, SecretReference> {
  const given = Object.entries({ ca, certificate, key }).filter(([, reference]) => reference !== '');
  return Object.fromEntries(given) as Record<string, SecretReference>;
}

/** Identifies what a data source says: one that was deleted and made again under its name may be another server. */
export function sourceKey(source: DataSource): string {
  return JSON.stringify({ ...source, health: [] });
}
