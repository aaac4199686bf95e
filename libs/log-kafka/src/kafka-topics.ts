import { type LogShape, StoreError } from '@hermes/log';
import { type Admin, ConfigResourceTypes } from 'kafkajs';

import type { KafkaCluster, KafkaPlace } from './kafka-cluster.js';
import { isMissingTopic, kafkaErrorType, readFault } from './kafka-fault.js';
import { askTopicId } from './topic-id.js';

/** How the Kafka topics of Hermes' own are made. */
export interface TopicSettings {
  /** Their names begin with it. */
  readonly prefix: string;
  /** The cluster's default if undefined. */
  readonly replicationFactor?: number;
  /** Settings by Kafka's names, above those that Hermes gives. */
  readonly config?: Readonly<Record<string, string>>;
}

/** What was found of a Kafka topic. */
export interface TopicFacts {
  readonly partitions: number;
  /** Copies of the partition that has fewest. */
  readonly replicas: number;
  readonly minInSyncReplicas: number;
  /** A replica that was behind may become the leader, and what it lacks is gone. */
  readonly uncleanElection: boolean;
  /** Each batch is on the leader's disk before it is acknowledged. */
  readonly flushed: boolean;
  readonly maxMessageBytes: number;
}

/** A batch of the largest record that Hermes takes, and room for what Kafka adds. */
const MAX_MESSAGE_BYTES = 12 * 1024 * 1024;

const CONFIG_NAMES = [
  ...['min.insync.replicas', 'unclean.leader.election.enable', 'flush.messages', 'max.message.bytes'],
];

/** The Kafka topics of lanes. */
export class KafkaTopics {
  readonly #admin: Admin;
  readonly #cluster: KafkaCluster;
  readonly #settings: TopicSettings;
  /** What is being made now, by name: the partitions of a topic are opened together. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(admin: Admin, cluster: KafkaCluster, settings: TopicSettings) {
    this.#admin = admin;
    this.#cluster = cluster;
    this.#settings = settings;
  }

  nameOf(topicId: number, lane: number): string {
    return `${this.#settings.prefix}.${topicId}.${lane}`;
  }

  isOwn(name: string): boolean {
    const { prefix } = this.#settings;
    return name.startsWith(`${prefix}.`) && /^\d+\.\d+$/.test(name.slice(prefix.length + 1));
  }

  /** Makes a topic, or more partitions of it, if they are missing. Rejects with StoreError. */
  async ensure(name: string, shape: LogShape): Promise<void> {
    const making = (this.#making.get(name) ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#ensure(name, shape));
    this.#making.set(name, making);
    try {
      await making;
    } catch (error) {
      throw readFault(error, `make the Kafka topic ${name}`);
    } finally {
      if (this.#making.get(name) === making) {
        this.#making.delete(name);
      }
    }
  }

  /** Undefined if there is no such topic. Rejects with StoreError. */
  async find(name: string): Promise<TopicFacts | undefined> {
    const partitions = await this.#cluster.partitions(name);
    if (partitions === undefined) {
      return undefined;
    }
    const config = await this.#config(name);
    return {
      partitions: partitions.length,
      replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      minInSyncReplicas: Number(config.get('min.insync.replicas') ?? 1),
      uncleanElection: config.get('unclean.leader.election.enable') === 'true',
      flushed: config.get('flush.messages') === '1',
      maxMessageBytes: Number(config.get('max.message.bytes') ?? 1_000_000),
    };
  }

  /** Other than the id of a topic of that name that was deleted before; undefined if Kafka tells none. Rejects with StoreError. */
  async idOf(name: string): Promise<string | undefined> {
    try {
      return await askTopicId(await this.#cluster.anyBroker(), name);
    } catch (error) {
      throw readFault(error, `look for the Kafka topic ${name}`);
    }
  }

  /**
   * Deletes a partition's records, and the topic once none of its partitions has any; harmless if it is not there.
   * Rejects with StoreError.
   */
  async empty(topic: string, partition: number): Promise<void> {
    const partitions = await this.#cluster.partitions(topic);
    if (partitions === undefined) {
      return;
    }
    try {
      if (partition < partitions.length) {
        await this.#cluster.deleteRecords({ topic, partition }, 'all');
      }
      if (await this.#isEmpty(topic, partitions.length)) {
        this.#cluster.forget(topic);
        await this.#admin.deleteTopics({ topics: [topic] });
      }
    } catch (error) {
      if (!isMissingTopic(error instanceof StoreError ? error.cause : error)) {
        throw readFault(error, `delete the Kafka topic ${topic}`);
      }
    }
  }

  /** Deletes what lies below `offset`. Rejects with StoreError. */
  async truncate(place: KafkaPlace, offset: number): Promise<void> {
    await this.#cluster.deleteRecords(place, offset);
  }

  /** From the last partition on: they are deleted in their order, mostly, so that one that has records is found soon. */
  async #isEmpty(topic: string, partitions: number): Promise<boolean> {
    for (let partition = partitions - 1; partition >= 0; partition -= 1) {
      const place = { topic, partition };
      if ((await this.#cluster.offset(place, 'earliest')) !== (await this.#cluster.offset(place, 'latest'))) {
        return false;
      }
    }
    return true;
  }

  async #ensure(name: string, shape: LogShape): Promise<void> {
    const known = await this.#cluster.partitions(name);
    if (known === undefined) {
      await this.#create(name, shape);
    } else if (known.length < shape.partitions) {
      await this.#admin.createPartitions({ topicPartitions: [{ topic: name, count: shape.partitions }] });
    }
  }

  async #create(name: string, { partitions }: LogShape): Promise<void> {
    const { replicationFactor = -1, config = {} } = this.#settings;
    const settings: Record<string, string> = {
      'cleanup.policy': 'delete',
      'message.timestamp.type': 'CreateTime',
      'max.message.bytes': String(MAX_MESSAGE_BYTES),
      'unclean.leader.election.enable': 'false',
      // Records go once their time is over and no group needs them: only Hermes knows when.
      'retention.ms': '-1',
      'retention.bytes': '-1',
      ...config,
    };
    const topic = {
      topic: name,
      numPartitions: partitions,
      replicationFactor,
      configEntries: Object.entries(settings).map(([setting, value]) => ({ name: setting, value })),
    };
    try {
      // False: another broker has made it meanwhile.
      await this.#admin.createTopics({ waitForLeaders: true, topics: [topic] });
    } catch (error) {
      // It is made, and whom kafkajs asks for its leaders has not heard of it yet.
      if (!isMissingTopic(error)) {
        throw error;
      }
    }
  }

  async #config(name: string): Promise<Map<string, string>> {
    try {
      const { resources } = await this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: CONFIG_NAMES }],
      });
      return new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
    } catch (error) {
      if (kafkaErrorType(error) === 'TOPIC_AUTHORIZATION_FAILED') {
        // Whoever may not see the settings is told the least that they can be.
        return new Map();
      }
      throw readFault(error, `read the settings of the Kafka topic ${name}`);
    }
  }
}

/** What an acknowledged record of the topic has reached. */
export function durabilityOf(facts: TopicFacts): 'durable' | 'replicated' | 'buffered' {
  const { replicas, minInSyncReplicas, uncleanElection, flushed } = facts;
  if (replicas >= 2 && minInSyncReplicas >= 2 && !uncleanElection) {
    return 'replicated';
  }
  return flushed && !uncleanElection ? 'durable' : 'buffered';
}

export function missing(name: string): StoreError {
  return new StoreError('unavailable', `there is no Kafka topic ${name}`);
}
