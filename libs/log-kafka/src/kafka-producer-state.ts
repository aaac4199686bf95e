import type { CommitOutcome, IdentifiedPublish, ProducerState } from '@hermes/log';

import { decodeHandover, encodeHandover, type Fences } from './fences.js';
import type { FetchedRecord } from './fetched-records.js';
import type { KafkaLog } from './kafka-log.js';

/**
 * The publishes of a log in Kafka that may be repeated: their identities are in the records' headers. The lanes' fences
 * go with the snapshot.
 */
export class KafkaProducerState implements ProducerState {
  readonly #state: ProducerState;
  readonly #lanes: readonly KafkaLog[];
  readonly #fences: readonly Fences[];

  constructor(state: ProducerState, lanes: readonly KafkaLog[], fences: readonly Fences[]) {
    this.#state = state;
    this.#lanes = lanes;
    this.#fences = fences;
  }

  async load(): Promise<Uint8Array | undefined> {
    return decodeHandover(await this.#state.load()).snapshot;
  }

  save(snapshot: Uint8Array): Promise<CommitOutcome> {
    return this.#state.save(encodeHandover({ fences: this.#fences, snapshot }));
  }

  async appendedFrom(lane: number, offset: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    const found: IdentifiedPublish[] = [];
    for await (const record of this.#lanes[lane]?.scan(offset) ?? []) {
      const publish = identifiedOf(record, lane);
      if (publish !== undefined) {
        found.push(publish);
      }
      if (found.length === maxRecords) {
        break;
      }
    }
    return found;
  }

  scheduledFrom(scheduleId: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    return this.#state.scheduledFrom(scheduleId, maxRecords);
  }
}

/** Undefined if it cannot be repeated. */
function identifiedOf({ offset, appendedAtMs, header }: FetchedRecord, lane: number): IdentifiedPublish | undefined {
  const { producerId, sequence, checksum } = header;
  const scheduleId = header.scheduleId === 0 ? undefined : header.scheduleId;
  return producerId === 0
    ? undefined
    : { identity: { producerId, sequence }, lane, offset, scheduleId, checksum, appendedAtMs };
}
