import { type Kysely, type Transaction } from 'kysely';

/** Tables and columns, in types that SQLite and MySQL share: numbers, text, and 0 or 1 for booleans. */
export interface Schema {
  counter: { name: string; value: number };
  leadership: { name: string; epoch: number; broker_lease_ttl_ms: number };
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
  };
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
