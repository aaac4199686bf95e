import { type AppendBatch, StoreError } from '@hermes/log';
import { sleep, type Timers } from '@hermes/runtime';

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
  readonly timers: Timers;
}

/** What a batch costs beside its records, at most. */
const BATCH_OVERHEAD_BYTES = 128;

/** A bound that was just changed is not known to every Kafka broker at once. */
const LEARN_ATTEMPTS_MAX = 5;
const LEARN_PAUSE_MS = 100;

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
    const learned = async (outcome: DefiniteProduceOutcome): Promise<DefiniteProduceOutcome> =>
      outcome.kind === 'refused' && isTooLarge(outcome.error.cause)
        ? { kind: 'refused', error: await this.#explain(outcome.error, batch, signal) }
        : outcome;
    const outcome = await producers.send({ ...place, messages, bytes: batch.recordBytes, signal });
    return outcome.kind === 'inDoubt'
      ? { kind: 'inDoubt', resolution: outcome.resolution.then(learned) }
      : learned(outcome);
  }

  /** Somebody may have lowered the topic's bound: what fits it must not be refused with what does not. */
  async #explain(error: StoreError, { count, recordBytes }: AppendBatch, signal: AbortSignal): Promise<StoreError> {
    const isExplained = (): boolean => count === 1 || !this.fits(count, recordBytes);
    await this.#learnBound();
    for (let attempt = 1; attempt < LEARN_ATTEMPTS_MAX && !isExplained() && !signal.aborted; attempt += 1) {
      await sleep(this.#options.timers, LEARN_PAUSE_MS);
      await this.#learnBound();
    }
    return isExplained() ? new StoreError('tooLarge', error.message, { cause: error.cause }) : error;
  }

  async #learnBound(): Promise<void> {
    const { topics, place } = this.#options;
    const facts = await topics.find(place.topic).catch(() => undefined);
    this.#maxMessageBytes = facts?.maxMessageBytes ?? this.#maxMessageBytes;
  }
}
