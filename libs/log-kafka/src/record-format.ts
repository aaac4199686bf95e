import type { AppendBatch } from '@hermes/log';
import type { Message } from 'kafkajs';
import type { RawRecord } from 'kafkajs/src/cluster/index.js';

import type { RecordHeader } from './record-header.js';

/** One message as it stands in Kafka. */
export interface FetchedRecord {
  readonly offset: number;
  readonly appendedAtMs: number;
  readonly record: Uint8Array;
  /** Without a checksum where Hermes cannot have written one. */
  readonly header: Omit<RecordHeader, 'checksum'> & { readonly checksum: number | undefined };
}

/** How the messages of a lane stand in its Kafka topic. */
export interface RecordFormat {
  /** What a record costs beside its message, at most. */
  readonly overheadBytes: number;
  /** Whether the times of records are those of Hermes' owners. */
  readonly isTimedByOwner: boolean;
  encode(batch: AppendBatch, index: number): Omit<Message, 'timestamp'>;
  /** The messages among records that are in their order, without those below `from`. */
  decode(records: readonly RawRecord[], from: number): FetchedRecord[];
}
