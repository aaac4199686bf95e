import { randomUUID } from 'node:crypto';

import {
  AppendBatch,
  type MessageLog,
  type OpenPartitionRequest,
  type PartitionStore,
  type StorageEngine,
} from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { sharedKafka, type TemporaryDirectory, temporaryDirectory } from '@hermes/testing';
import { Kafka, logLevel } from 'kafkajs';

import type { KafkaEngine, openKafkaEngine } from '../src/index.js';

/** What opens an engine: the library, or one with a planted bug. */
export type OpenEngine = typeof openKafkaEngine;

/** Two brokers' engines over the same Kafka topics and the same state, as after a fail-over. */
export class TwoOwners implements AsyncDisposable {
  readonly engines: KafkaEngine[] = [];
  readonly #prefix = `owners-${randomUUID()}`;
  readonly #state: StorageEngine;
  readonly #directory: TemporaryDirectory;
  readonly #brokers: string[];
  #lastAppendId = 0;

  private constructor(state: StorageEngine, directory: TemporaryDirectory, brokers: string[]) {
    this.#state = state;
    this.#directory = directory;
    this.#brokers = brokers;
  }

  static async start(open: OpenEngine): Promise<TwoOwners> {
    const brokers = [...(await sharedKafka()).bootstrap];
    const directory = temporaryDirectory();
    const state = await openEmbeddedEngine({ directory: directory.path, shards: 1, onFatal: () => undefined });
    const owners = new TwoOwners(state, directory, brokers);
    const topics = { prefix: owners.#prefix };
    owners.engines.push(await open({ server: { brokers }, topics, state }));
    owners.engines.push(await open({ server: { brokers }, topics, state }));
    return owners;
  }

  async open(change: Partial<OpenPartitionRequest>): Promise<PartitionStore> {
    const request = { topicId: 7, partition: 0, epoch: 1, incarnation: 1, lanes: 1, created: false, ...change };
    const outcome = await this.engines[request.epoch % 2]!.openPartition(request);
    if (outcome.kind !== 'opened') {
      throw new Error(`the partition was not opened: ${JSON.stringify(outcome)}`);
    }
    return outcome.store;
  }

  batch(texts: readonly string[]): AppendBatch {
    this.#lastAppendId += 1;
    const records = texts.map((text) => ({ record: Buffer.from(text), keyHash: 0 }));
    return AppendBatch.pack(this.#lastAppendId, records);
  }

  /** How many records Kafka holds of a partition, whatever they are. */
  async stored(partition: number): Promise<number> {
    const admin = new Kafka({ brokers: this.#brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(`${this.#prefix}.7.0`);
    await admin.disconnect();
    const found = offsets.find((each) => each.partition === partition);
    return Number(found?.high) - Number(found?.low);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.close()));
    await this.#state.close();
    this.#directory.remove();
  }
}

/** The texts that a reader is given, read in pages of few records. */
export async function textsOf(log: MessageLog, pageRecords = 100): Promise<string[]> {
  const texts: string[] = [];
  for (let from = log.firstOffset; from < log.nextOffset;) {
    const block = await log.read(from, { maxRecords: pageRecords, maxBytes: 1_000_000 });
    for (let index = 0; index < block.count; index += 1) {
      texts.push(Buffer.from(block.record(index)).toString());
    }
    from = block.nextOffset;
  }
  return texts;
}
