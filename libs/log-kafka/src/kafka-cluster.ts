import { StoreError } from '@hermes/log';
import { type KafkaConfig, type KafkaJSProtocolError, logLevel } from 'kafkajs';
import Cluster, {
  type Broker,
  type FetchedPartition,
  type PartitionMetadata,
  type TopicMetadata,
} from 'kafkajs/src/cluster/index.js';
import { createLogger } from 'kafkajs/src/loggers/index.js';
import createSocketFactory from 'kafkajs/src/network/socketFactory.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';

import { withEachAnswer } from './kafka-connections.js';
import { isMissingTopic, readFault } from './kafka-fault.js';
import { KAFKAJS_RETRY } from './server-options.js';

/** One Kafka partition. */
export interface KafkaPlace {
  readonly topic: string;
  readonly partition: number;
}

export interface FetchRequest extends KafkaPlace {
  readonly from: number;
  readonly maxBytes: number;
}

/** What is asked of one broker at once. */
export interface FetchBounds {
  /** How long the broker may wait for the first record. */
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

/** Records of transactions that are still open are not read: what is aborted was never sent. */
const READ_COMMITTED = 1;

/** What is asked anew, while topics are forgotten and added, before it is left as it is. */
const REFRESHES_MAX = 3;

const METADATA_MAX_AGE_MS = 60_000;
/** As an offset to delete below: all that is there. */
const HIGH_WATERMARK = '-1';

const EARLIEST = -2;
const LATEST = -1;

/**
 * Connections to a cluster's brokers that fetch what is asked for. A broker answers the requests of one connection in
 * their order: who waits for new records must not share one with who wants an answer at once.
 */
export class KafkaCluster {
  readonly #cluster: Cluster;
  #refreshing: Promise<void> | undefined;

  constructor({ logLevel: level = logLevel.ERROR, logCreator, ...config }: KafkaConfig) {
    this.#cluster = new Cluster({
      ...config,
      logger: createLogger({ level, logCreator: logCreator ?? (() => () => undefined) }),
      socketFactory: config.socketFactory ?? createSocketFactory(),
      enforceRequestTimeout: true,
      retry: KAFKAJS_RETRY,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
    });
    const { brokerPool } = this.#cluster;
    const builder = brokerPool.connectionPoolBuilder;
    brokerPool.connectionPoolBuilder = {
      build: async (destination) => withEachAnswer(await builder.build(destination)),
    };
  }

  /** Rejects with StoreError. */
  async connect(): Promise<void> {
    await guarded('connect to Kafka', () => this.#cluster.connect());
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect();
  }

  /** The partitions of a topic; undefined if there is no such topic. Rejects with StoreError. */
  async partitions(topic: string): Promise<readonly PartitionMetadata[] | undefined> {
    await this.refresh([{ topic, partition: 0 }]);
    const found = this.#metadataOf(topic);
    const error = errorOf(found?.topicErrorCode);
    if (error === undefined) {
      return found?.partitionMetadata;
    }
    this.forget(topic);
    if (isMissingTopic(error)) {
      return undefined;
    }
    throw readFault(error, `look for the Kafka topic ${topic}`);
  }

  /** Asks for nothing about a topic any more. */
  forget(topic: string): void {
    this.#cluster.targetTopics.delete(topic);
  }

  /** The broker that leads a partition as far as is known; undefined: none, or it is not known. */
  leaderOf({ topic, partition }: KafkaPlace): number | undefined {
    const partitions = this.#metadataOf(topic)?.partitionMetadata ?? [];
    const leader = partitions.find(({ partitionId }) => partitionId === partition)?.leader;
    return leader === undefined || leader < 0 ? undefined : leader;
  }

  /** What Kafka said of a partition when it was last asked, if that was an error. */
  problemOf({ topic, partition }: KafkaPlace): KafkaJSProtocolError | undefined {
    const found = this.#metadataOf(topic);
    const code = found?.partitionMetadata.find(({ partitionId }) => partitionId === partition)?.partitionErrorCode;
    return errorOf(found?.topicErrorCode) ?? errorOf(code);
  }

  /** Learns who leads what, these places included; calls that come meanwhile share one. Rejects with StoreError. */
  async refresh(places: readonly KafkaPlace[] = []): Promise<void> {
    for (const { topic } of places) {
      this.#cluster.targetTopics.add(topic);
    }
    // One that was under way may have asked before these were wanted.
    for (let attempt = 1; attempt <= REFRESHES_MAX; attempt += 1) {
      this.#refreshing ??= this.#refresh().finally(() => {
        this.#refreshing = undefined;
      });
      await this.#refreshing;
      if (places.every(({ topic }) => this.#metadataOf(topic) !== undefined)) {
        return;
      }
    }
  }

  /**
   * Fetches from partitions that one broker leads: what there is, or the partition's own error; those without an answer
   * are left out. Rejects with what kafkajs says.
   */
  async fetch(
    nodeId: number,
    requests: readonly FetchRequest[],
    { maxWaitMs, maxBytes }: FetchBounds,
  ): Promise<Map<FetchRequest, FetchedPartition | KafkaJSProtocolError>> {
    const broker = await this.broker(nodeId);
    const topics = requests.map(({ topic, partition, from, maxBytes: bytes }) => ({
      topic,
      partitions: [{ partition, fetchOffset: String(from), maxBytes: bytes }],
    }));
    const isolationLevel = READ_COMMITTED;
    const { responses } = await broker.fetch({ isolationLevel, maxWaitTime: maxWaitMs, minBytes: 1, maxBytes, topics });
    const byPlace = new Map<string, FetchedPartition>();
    for (const { topicName, partitions } of responses) {
      for (const partition of partitions) {
        byPlace.set(placeKey({ topic: topicName, partition: partition.partition }), partition);
      }
    }
    const fetched = new Map<FetchRequest, FetchedPartition | KafkaJSProtocolError>();
    for (const request of requests) {
      const partition = byPlace.get(placeKey(request));
      if (partition !== undefined) {
        fetched.set(request, errorOf(partition.errorCode) ?? partition);
      }
    }
    return fetched;
  }

  /**
   * The first offset that is kept, or the one above the last, or the first of a record of that time or later
   * (undefined: there is none). Rejects with StoreError.
   */
  async offset(place: KafkaPlace, at: 'earliest' | 'latest' | number): Promise<number | undefined> {
    const timestamp = at === 'earliest' ? EARLIEST : at === 'latest' ? LATEST : Math.max(0, Math.ceil(at));
    const { topic, partition } = place;
    return guarded(`find an offset of ${placeKey(place)}`, async () => {
      const broker = await this.broker(await this.findLeader(place));
      const topics = [{ topic, partitions: [{ partition, timestamp }] }];
      const { responses } = await broker.listOffsets({ isolationLevel: READ_COMMITTED, topics });
      const offset = Number(responses[0]?.partitions[0]?.offset ?? -1);
      return offset < 0 ? undefined : offset;
    });
  }

  /**
   * Deletes what lies below `offset`, or all that is there. Rejects with StoreError. kafkajs' administration knows only
   * the topics that were there when it was connected, and those that it has made.
   */
  async deleteRecords(place: KafkaPlace, offset: number | 'all'): Promise<void> {
    const { topic, partition } = place;
    const partitions = [{ partition, offset: offset === 'all' ? HIGH_WATERMARK : String(offset) }];
    await guarded(`delete records of ${placeKey(place)}`, async () => {
      const broker = await this.broker(await this.findLeader(place));
      try {
        await broker.deleteRecords({ topics: [{ topic, partitions }] });
      } catch (error) {
        // Whoever tries again must not ask the same broker in vain.
        await this.refresh([place]).catch(() => undefined);
        throw error;
      }
    });
  }

  /** A broker, connected. Rejects with what kafkajs says: then nothing was sent there. */
  broker(nodeId: number): Promise<Broker> {
    return this.#cluster.findBroker({ nodeId });
  }

  /** Some broker, connected. Rejects with StoreError, or with what kafkajs says. */
  async anyBroker(): Promise<Broker> {
    if (!this.#isKnown) {
      await this.refresh();
    }
    return this.#cluster.brokerPool.findConnectedBroker();
  }

  /** The broker that leads a partition. Rejects with StoreError if none does. */
  async findLeader(place: KafkaPlace): Promise<number> {
    if (this.leaderOf(place) === undefined) {
      await this.refresh([place]);
    }
    const leader = this.leaderOf(place);
    if (leader === undefined) {
      throw new StoreError('unavailable', `no Kafka broker leads ${placeKey(place)}`);
    }
    return leader;
  }

  async #refresh(): Promise<void> {
    await guarded('read the metadata of Kafka', async () => {
      if (!this.#isKnown) {
        await this.#cluster.connect();
      }
      await this.#cluster.refreshMetadata();
    });
  }

  /** Brokers that were learned need no other to be asked about. */
  get #isKnown(): boolean {
    return this.#cluster.getNodeIds().length > 0;
  }

  /** Undefined if it was not asked for yet. */
  #metadataOf(topic: string): TopicMetadata | undefined {
    return this.#cluster.brokerPool.metadata?.topicMetadata.find((each) => each.topic === topic);
  }
}

/** `orders/3` */
export function placeKey({ topic, partition }: KafkaPlace): string {
  return `${topic}/${partition}`;
}

function errorOf(code = 0): KafkaJSProtocolError | undefined {
  return code === 0 ? undefined : createErrorFromCode(code);
}

async function guarded<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw readFault(error, what);
  }
}
