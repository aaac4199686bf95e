import type { CommitOutcome, IdentifiedPublish, ProducerState } from '@hermes/log';

import { decodeHandover, encodeHandover, type Fences } from './fences.js';
import type { KafkaLog } from './kafka-log.js';
import type { FetchedRecord } from './record-format.js';

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

/**
 * The publishes of an attached topic: its records do not say which producer's they are, and what an earlier owner has
 * stored is not known again.
 */
export class ForgottenProducers implements ProducerState {
  load(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  save(): Promise<CommitOutcome> {
    return Promise.resolve({ kind: 'committed' });
  }

  appendedFrom(): Promise<readonly IdentifiedPublish[]> {
    return Promise.resolve([]);
  }

  scheduledFrom(): Promise<readonly IdentifiedPublish[]> {
    return Promise.resolve([]);
  }
}

/** Undefined if it cannot be repeated. */
function identifiedOf({ offset, appendedAtMs, header }: FetchedRecord, lane: number): IdentifiedPublish | undefined {
  const { producerId, sequence, checksum } = header;
  const scheduleId = header.scheduleId === 0 ? undefined : header.scheduleId;
  return producerId === 0 || checksum === undefined
    ? undefined
    : { identity: { producerId, sequence }, lane, offset, scheduleId, checksum, appendedAtMs };
}
