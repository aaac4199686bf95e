import { StoreError } from '@hermes/log';
import type { Broker } from 'kafkajs/src/cluster/index.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';

import { type KafkaCluster, placeKey } from './kafka-cluster.js';
import type { ProduceRequest } from './produce-request.js';
import type { Produce } from './producers.js';
import { sendProduce } from './send-produce.js';

/** How long the brokers may take to replicate a batch. */
const REPLICATION_TIMEOUT_MS = 8_000;

/** Records are numbered with 31 bits per partition: another identity takes over before any could be used up. */
const RECORDS_MAX = 1_000_000_000;

/**
 * A producer id of Kafka, and the number of the next record that it writes to each partition. A number moves on once a
 * batch is known to be stored, so that a batch that is sent again has the numbers that it had.
 */
export class ProducerIdentity {
  readonly #producerId: string;
  readonly #producerEpoch: number;
  readonly #next = new Map<string, number>();
  #records = 0;

  private constructor({ producerId, producerEpoch }: { readonly producerId: string; readonly producerEpoch: number }) {
    this.#producerId = producerId;
    this.#producerEpoch = producerEpoch;
  }

  /** Rejects with StoreError, or as kafkajs does. */
  static async obtain(cluster: KafkaCluster): Promise<ProducerIdentity> {
    const broker = await cluster.anyBroker();
    return new ProducerIdentity(await broker.initProducerId({ transactionTimeout: REPLICATION_TIMEOUT_MS }));
  }

  get isUsedUp(): boolean {
    return this.#records > RECORDS_MAX;
  }

  /**
   * Sends one batch each of several partitions that `broker` leads. Gives where the first record of each is, or what the
   * broker says of it instead; rejects as kafkajs does if there is no answer.
   */
  async send(broker: Broker, produces: readonly Produce[]): Promise<readonly (number | Error)[]> {
    const { topics } = await sendProduce(broker, {
      timeoutMs: REPLICATION_TIMEOUT_MS,
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
      topics: this.#topics(produces),
    });
    const answers = new Map(
      topics.flatMap(({ topicName: topic, partitions }) =>
        partitions.map((answer) => [placeKey({ topic, partition: answer.partition }), answer] as const),
      ),
    );
    return produces.map((produce) => {
      const { errorCode, baseOffset } = answers.get(placeKey(produce)) ?? { errorCode: 0, baseOffset: -1 };
      if (errorCode !== 0) {
        return createErrorFromCode(errorCode);
      }
      if (Number(baseOffset) < 0) {
        return new StoreError('unavailable', 'Kafka did not say where it has stored a batch');
      }
      this.#moveOn(produce);
      return Number(baseOffset);
    });
  }

  #topics(produces: readonly Produce[]): ProduceRequest['topics'] {
    const topics = [...new Set(produces.map(({ topic }) => topic))];
    return topics.map((topic) => ({
      topic,
      partitions: produces
        .filter((produce) => produce.topic === topic)
        .map((produce) => ({
          partition: produce.partition,
          firstSequence: this.#next.get(placeKey(produce)) ?? 0,
          messages: produce.messages,
        })),
    }));
  }

  #moveOn(produce: Produce): void {
    const key = placeKey(produce);
    this.#next.set(key, (this.#next.get(key) ?? 0) + produce.messages.length);
    this.#records += produce.messages.length;
  }
}
