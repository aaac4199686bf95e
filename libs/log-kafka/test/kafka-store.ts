import {
  AppendBatch,
  type DefiniteAppendOutcome,
  type PartitionStore,
  RECORD_KIND,
  type SecretReference,
  StoreError,
  type TlsOptions,
} from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { eventually, type KafkaBroker, type KafkaCluster, temporaryDirectory } from '@hermes/testing';
import { type Admin, Kafka, logLevel } from 'kafkajs';

import { type KafkaEngine, type KafkaEngineOptions, openKafkaEngine } from '../src/index.js';
import { KafkaCluster as Connections } from '../src/kafka-cluster.js';
import { decodeHeader, HEADER_NAME } from '../src/record-header.js';

const PREFIX = 't';
const PASSWORD_VARIABLE = 'KAFKA_PASSWORD';
/** Brokers come back, and what was in doubt is found out, within this time on a busy machine, too. */
export const RECOVERY = { deadlineMs: 60_000, intervalMs: 50 };

const MAX_BYTES = 16 * 1024 * 1024;

/** How often a writer that was refused tries again. */
const PAUSE_MS = 50;

export interface StoreChange {
  /** Whose login is used; `admin` if unset. */
  readonly user?: 'admin' | 'stranger';
  /** In place of the user's own. */
  readonly password?: string;
  /** In place of both: where the password is. */
  readonly secret?: SecretReference;
  readonly tls?: TlsOptions;
  /** In place of the cluster's addresses. */
  readonly brokers?: readonly string[];
  readonly topics?: Partial<KafkaEngineOptions['topics']>;
  readonly onLog?: KafkaEngineOptions['onLog'];
  /** Opens another build of the engine. */
  readonly open?: typeof openKafkaEngine;
}

/** A store on a cluster of the test's own, its owner, and what the owner was told. */
export class KafkaStore implements AsyncDisposable {
  /** By topic: the texts whose appends were acknowledged. */
  readonly acknowledged = new Map<number, string[]>();
  /** Kinds of all outcomes other than `appended`. */
  readonly refusals = new Set<string>();
  readonly #epochs = new Map<string, number>();
  readonly #created = new Set<string>();
  #lastAppendId = 0;

  private constructor(
    readonly cluster: KafkaCluster,
    readonly engine: KafkaEngine,
    private readonly closeState: () => Promise<void>,
  ) {}

  static async open(cluster: KafkaCluster, change: StoreChange = {}): Promise<KafkaStore> {
    const { user = 'admin', topics, onLog, open = openKafkaEngine } = change;
    const directory = temporaryDirectory();
    const state = await openEmbeddedEngine({ directory: directory.path, shards: 1, onFatal: () => undefined });
    const closeState = async (): Promise<void> => {
      await state.close();
      directory.remove();
    };
    try {
      const engine = await open({
        server: serverOptions(cluster, user, change),
        environment: { [PASSWORD_VARIABLE]: change.password ?? cluster.clientOptions(user).sasl?.password ?? '' },
        topics: { prefix: PREFIX, ...topics },
        state,
        ...(onLog === undefined ? {} : { onLog }),
      });
      return new KafkaStore(cluster, engine, closeState);
    } catch (error) {
      await closeState();
      throw error;
    }
  }

  /** Opens a partition at its next epoch. */
  async partition(topicId: number, partition = 0, partitions = 1): Promise<PartitionStore> {
    const key = `${topicId}/${partition}`;
    const epoch = (this.#epochs.get(key) ?? 0) + 1;
    this.#epochs.set(key, epoch);
    const outcome = await this.engine.openPartition({
      ...{ topicId, partition, epoch, incarnation: 1, lanes: 1, created: this.#created.has(key) },
      shape: { partitions },
    });
    if (outcome.kind !== 'opened') {
      throw new Error(`the partition was not opened: ${JSON.stringify(outcome)}`);
    }
    this.#created.add(key);
    return outcome.store;
  }

  batch(...texts: readonly string[]): AppendBatch {
    this.#lastAppendId += 1;
    return AppendBatch.pack(
      this.#lastAppendId,
      texts.map((text) => ({ record: Buffer.from(text), keyHash: 0 })),
    );
  }

  /** Appends, waits for the outcome, and keeps it. */
  async append(store: PartitionStore, ...texts: readonly string[]): Promise<DefiniteAppendOutcome | undefined> {
    const outcome = await store.lanes[0]!.append(this.batch(...texts));
    const definite = outcome.kind === 'inDoubt' ? await outcome.resolution.catch(asUnknown) : outcome;
    if (outcome.kind !== 'appended') {
      this.refusals.add(outcome.kind === 'refused' ? outcome.error.kind : outcome.kind);
    }
    if (definite?.kind === 'appended') {
      this.acknowledged.set(store.topicId, [...(this.acknowledged.get(store.topicId) ?? []), ...texts]);
    }
    return definite;
  }

  /** Appends one text after the other until it is told to stop. */
  write(stores: readonly PartitionStore[]): { readonly written: () => number; readonly stop: () => Promise<void> } {
    let isOver = false;
    let written = 0;
    const writers = stores.map(async (store, lane) => {
      for (let count = 0; !isOver; count += 1) {
        const outcome = await this.append(store, `${lane}-${count}-a`, `${lane}-${count}-b`);
        if (outcome?.kind === 'appended') {
          written += 1;
        } else {
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    });
    return {
      written: () => written,
      stop: async () => {
        isOver = true;
        await Promise.all(writers);
      },
    };
  }

  /** Waits until the owner has appended so many more batches. */
  async goesOn(writing: { readonly written: () => number }, more = 10): Promise<void> {
    const before = writing.written();
    await eventually(() => writing.written() >= before + more, RECOVERY);
  }

  /** The records that Kafka has, past the store. */
  async records(topicId: number, partition = 0): Promise<{ kind: number; epoch: number; text: string }[]> {
    const connections = new Connections({
      ...this.cluster.clientOptions(),
      connectionTimeout: RECOVERY.deadlineMs,
      logLevel: logLevel.NOTHING,
    });
    const place = { topic: topicName(topicId), partition };
    const records = new Map<number, { kind: number; epoch: number; text: string }>();
    try {
      const end = (await connections.offset(place, 'latest')) ?? 0;
      while (records.size < end) {
        const request = { ...place, from: records.size, maxBytes: MAX_BYTES };
        const bounds = { maxWaitMs: 100, maxBytes: MAX_BYTES };
        const answer = (await connections.fetch(await connections.findLeader(place), [request], bounds)).get(request);
        if (answer === undefined || answer instanceof Error) {
          throw new Error(`no answer from ${records.size}`, { cause: answer });
        }
        for (const { offset, value, headers } of answer.messages) {
          const { kind, epoch } = decodeHeader(headers?.[HEADER_NAME] as Buffer)!;
          records.set(Number(offset), { kind, epoch, text: String(value) });
        }
      }
    } finally {
      await connections.close();
    }
    return [...records.values()];
  }

  async texts(topicId: number, partition = 0): Promise<string[]> {
    const records = await this.records(topicId, partition);
    return records.filter(({ kind }) => kind === RECORD_KIND.message).map(({ text }) => text);
  }

  /** Everything that was acknowledged is in Kafka, once and in its order, as is all else. */
  async expectExactly(topicId: number, partition = 0): Promise<void> {
    const texts = await this.texts(topicId, partition);
    const acknowledged = this.acknowledged.get(topicId) ?? [];
    const stored = new Set(texts);
    expect(texts).toHaveLength(stored.size);
    expect(acknowledged.filter((text) => !stored.has(text))).toEqual([]);
    expect(texts.filter((text) => acknowledged.includes(text))).toEqual(acknowledged);
  }

  async admin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = new Kafka({ ...this.cluster.clientOptions(), logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async leader(topicId: number, others?: readonly KafkaBroker[]): Promise<KafkaBroker> {
    return (await this.replicas(topicId, others)).leader;
  }

  /** Who leads a topic's first partition, and how many are in sync, as one of the brokers knows that are named. */
  async replicas(
    topicId: number,
    others: readonly KafkaBroker[] = this.cluster.brokers,
  ): Promise<{ readonly leader: KafkaBroker; readonly inSync: number }> {
    for (const { address } of others) {
      const options = { ...this.cluster.clientOptions(), brokers: [address], requestTimeout: 2_000 };
      const admin = new Kafka({ ...options, logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
      try {
        await admin.connect();
        const { topics } = await admin.fetchTopicMetadata({ topics: [topicName(topicId)] });
        const { leader, isr } = topics[0]!.partitions[0]!;
        return { leader: this.cluster.brokers.find(({ nodeId }) => nodeId === leader)!, inSync: isr.length };
      } finally {
        await admin.disconnect();
      }
    }
    throw new Error('nobody was asked');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    await this.closeState();
  }
}

function serverOptions(
  cluster: KafkaCluster,
  user: 'admin' | 'stranger',
  { brokers, tls = {}, secret = `env:${PASSWORD_VARIABLE}` }: StoreChange,
): KafkaEngineOptions['server'] {
  const { brokers: all, ssl, sasl } = cluster.clientOptions(user);
  return {
    brokers: brokers ?? all,
    ...(ssl === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl: { mechanism: sasl.mechanism, username: sasl.username, password: secret } }),
  };
}

export function topicName(topicId: number, lane = 0): string {
  return `${PREFIX}.${topicId}.${lane}`;
}

/** Reads a partition as its followers do, until `stop`: what came, in order. */
export function tail(store: PartitionStore): { readonly texts: string[]; readonly stop: () => Promise<void> } {
  const lane = store.lanes[0]!;
  const texts: string[] = [];
  const over = new AbortController();
  let next = lane.firstOffset;
  lane.feed!.follow({ records: () => undefined, grown: () => undefined });
  const reading = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      const block = await lane.read(next, { maxRecords: 1_000, maxBytes: 1_000_000 }).catch(() => undefined);
      for (let index = 0; block !== undefined && index < block.count; index += 1) {
        texts.push(Buffer.from(block.record(index)).toString());
      }
      next = block?.nextOffset ?? next;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return {
    texts,
    stop: async () => {
      over.abort();
      await reading;
    },
  };
}

function asUnknown(error: unknown): undefined {
  if (!(error instanceof StoreError)) {
    throw error;
  }
}
