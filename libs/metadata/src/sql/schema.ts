import { type Generated, type Kysely, type Transaction } from 'kysely';

/** Tables and columns, in types that SQLite and MySQL share: numbers, text, and 0 or 1 for booleans. */
export interface Schema {
  counter: { name: string; value: number };
  leadership: {
    name: string;
    epoch: number;
    broker_lease_ttl_ms: number;
    /** From here on only where several processes reach the database. */
    holder: Generated<string>;
    incarnation: Generated<number>;
    expires_at: Generated<number>;
    connection_id: Generated<number>;
    write_seq: Generated<number>;
  };
  topic: {
    id: number;
    name: string;
    partitions: number;
    config: string;
    revision: number;
    config_revision: number;
    created_at: number;
  };
  topic_group: {
    id: number;
    topic_id: number;
    name: string;
    config: string;
    created_revision: number;
    config_revision: number;
    created_at: number;
    active: number;
  };
  assignment: {
    topic_id: number;
    partition_number: number;
    broker: string;
    incarnation: number;
    epoch: number;
    created: number;
    data_directory: string;
    data_source: string;
    pinned: Generated<number>;
  };
  data_source: { name: string; config: string; created_at: number };
  /** Which data sources a topic names. */
  topic_data_source: { topic_id: number; data_source: string };
  /** Only where brokers reach the database. */
  broker_lease: { broker: string; incarnation: number; expires_at: number };
  /** Processes that run, and when each said so last. */
  meta_server: { endpoint: string; seen_at: number };
  /** Who led since when; the last ones. */
  leadership_term: { epoch: number; endpoint: string; since: number };
  broker: {
    name: string;
    incarnation: number;
    endpoint: string;
    zone: string;
    broker_group: string;
    data_directory: string;
    drained: number;
  };
}

/** A connection, inside of a transaction or not. */
export type Database = Kysely<Schema>;
/** A connection inside of a transaction. */
export type Tx = Transaction<Schema>;

/** A database as the stores use it. */
export interface SqlAccess {
  /** For reads: sees what is committed. */
  readonly db: Database;
  /**
   * Runs `action` in one transaction, durable once it resolves. Transactions of this kind come one after the other in
   * the whole cluster (SQLite has one writer, MySQL the lock of the leadership's row), so what one reads nobody else
   * changes before it ends: ids and revisions need no lock of their own.
   */
  write<T>(action: (tx: Tx) => Promise<T>): Promise<T>;
}
