import type { AppendBatch } from '@hermes/log';

import type { KafkaPlace } from './kafka-cluster.js';
import { isTooLarge } from './kafka-fault.js';
import type { KafkaTopics } from './kafka-topics.js';
import type { DefiniteProduceOutcome, ProduceOutcome, Producers } from './producers.js';
import type { RecordFormat } from './record-format.js';

export interface LaneWriterOptions {
  readonly place: KafkaPlace;
  readonly format: RecordFormat;
  readonly producers: Producers;
  readonly topics: KafkaTopics;
  /** The largest batch that the Kafka topic takes. */
  readonly maxMessageBytes: number;
}

/** What a batch costs beside its records, at most. */
const BATCH_OVERHEAD_BYTES = 128;

/** Appends to one lane what its Kafka topic takes. */
export class LaneWriter {
  readonly #options: LaneWriterOptions;
  #maxMessageBytes: number;

  constructor(options: LaneWriterOptions) {
    this.#options = options;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  fits(records: number, bytes: number): boolean {
    const { overheadBytes } = this.#options.format;
    return bytes + records * overheadBytes + BATCH_OVERHEAD_BYTES <= this.#maxMessageBytes;
  }

  /** `signal` is aborted when nobody waits for the outcome any longer. */
  async append(
    batch: AppendBatch,
    { appendedAtMs, signal }: { readonly appendedAtMs: number; readonly signal: AbortSignal },
  ): Promise<ProduceOutcome> {
    const { place, format, producers } = this.#options;
    const timestamp = String(appendedAtMs);
    const messages = Array.from({ length: batch.count }, (_, index) => ({
      ...format.encode(batch, index),
      timestamp,
    }));
    const learned = async (outcome: DefiniteProduceOutcome): Promise<DefiniteProduceOutcome> => {
      if (outcome.kind === 'refused' && isTooLarge(outcome.error.cause)) {
        await this.#learnBound();
      }
      return outcome;
    };
    const outcome = await producers.send({ ...place, messages, bytes: batch.recordBytes, signal });
    return outcome.kind === 'inDoubt'
      ? { kind: 'inDoubt', resolution: outcome.resolution.then(learned) }
      : learned(outcome);
  }

  /** Somebody may have lowered the topic's bound: what is too large for it must not be tried together with other records. */
  async #learnBound(): Promise<void> {
    const facts = await this.#options.topics.find(this.#options.place.topic).catch(() => undefined);
    this.#maxMessageBytes = facts?.maxMessageBytes ?? this.#maxMessageBytes;
  }
}
