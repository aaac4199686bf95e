import {
  type Environment,
  OpeningGates,
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type StorageCapabilities,
  type StorageEngine,
  StoreError,
} from '@hermes/log';
import {
  type CancelTimer,
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  TaskGroup,
  type Timers,
} from '@hermes/runtime';
import { type Admin, Kafka, type KafkaConfig } from 'kafkajs';

import { AttachedTopics } from './attached-topics.js';
import { registerCodecs } from './codecs.js';
import { FeedFetcher } from './feed-fetcher.js';
import { KafkaCluster } from './kafka-cluster.js';
import { boundedSockets, mendConnections } from './kafka-connections.js';
import { readFault } from './kafka-fault.js';
import { type KafkaCounters, kafkaCounters, type KafkaFigures } from './kafka-figures.js';
import { KafkaTopics, type TopicSettings } from './kafka-topics.js';
import { openPartition, type OpeningContext } from './open-partition.js';
import { Producers } from './producers.js';
import { driverConfig, type KafkaLogListener, type KafkaServerOptions } from './server-options.js';

/** Something that an operator should hear of; the engine itself has dealt with it. */
export type KafkaNotice =
  /** Work in the background failed; it is tried again when it is due. */
  | { readonly kind: 'taskFailed'; readonly task: string; readonly error: unknown }
  /** Partitions that are attached to a Kafka topic cannot be opened any more. Told once, as it begins. */
  | { readonly kind: 'attachedTopicChanged'; readonly problem: string };

export interface KafkaEngineOptions {
  readonly server: KafkaServerOptions;
  /** Where `env:NAME` is looked up; empty if unset. */
  readonly environment?: Environment;
  readonly topics: TopicSettings;
  /** Keeps what Kafka cannot: groups, retries, dead letters, schedules, epochs. Closed by whoever has opened it. */
  readonly state: StorageEngine;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  /** Must not throw. */
  readonly onNotice?: (notice: KafkaNotice) => void;
  readonly onLog?: KafkaLogListener;
}

/** Storage of messages in a Kafka cluster. */
export interface KafkaEngine extends StorageEngine {
  /** Why the cluster did not answer when it was last asked, every 10 s, or what is wrong with a topic that is attached. */
  readonly problem: string | undefined;
  /** As of now. */
  readonly figures: KafkaFigures;
}

/** What kafkajs was made with. */
interface Driver {
  readonly counters: KafkaCounters;
  readonly refreshTls: () => Promise<void>;
}

const LOOK_EACH_MS = 10_000;

/** Priority levels that a topic can have. */
const LANES_MAX = 10;

/** Connects to a cluster. Fails with `unavailable`: not reachable, no access. */
export async function openKafkaEngine(options: KafkaEngineOptions): Promise<KafkaEngine> {
  const { server, environment = {}, onLog = () => undefined, clock = systemClock } = options;
  registerCodecs();
  mendConnections();
  const { config, refreshTls } = await driverConfig(server, environment, onLog);
  const counters = kafkaCounters();
  const socketFactory = boundedSockets(clock, counters);
  const engine = new KafkaStorage(options, { ...config, socketFactory }, { counters, refreshTls });
  try {
    await engine.start();
  } catch (error) {
    await engine.close();
    throw readFault(error, `connect to Kafka at ${server.brokers.join(',')}`);
  }
  return engine;
}

class KafkaStorage implements KafkaEngine {
  #problem: string | undefined;
  readonly #options: KafkaEngineOptions;
  readonly #driver: Driver;
  readonly #tasks: TaskGroup;
  readonly #timers: Timers;
  readonly #admin: Admin;
  /** A broker answers one connection's requests in order: those of each kind have connections of their own. */
  readonly #clusters: { readonly appends: KafkaCluster; readonly reads: KafkaCluster; readonly tails: KafkaCluster };
  readonly #context: OpeningContext;
  readonly #gates = new OpeningGates();
  #cancelLook: CancelTimer = () => undefined;
  #closed: Promise<void> | undefined;

  constructor(options: KafkaEngineOptions, config: KafkaConfig, driver: Driver) {
    const { clock = systemClock, timers = systemTimers, random = systemRandom, state } = options;
    this.#options = options;
    this.#driver = driver;
    this.#timers = timers;
    const failed = (task: string, error: unknown): void => options.onNotice?.({ kind: 'taskFailed', task, error });
    this.#tasks = new TaskGroup(failed);
    this.#admin = new Kafka(config).admin();
    const [appends, reads, tails] = [config, config, config].map((each) => new KafkaCluster(each)) as Three;
    this.#clusters = { appends, reads, tails };
    const topics = new KafkaTopics(this.#admin, reads, options.topics);
    const onProblem = (problem: string): void => options.onNotice?.({ kind: 'attachedTopicChanged', problem });
    this.#context = {
      ...{ state, clock, timers, cluster: reads, topics },
      attachedTopics: new AttachedTopics({ topics, clock, onProblem }),
      producers: new Producers({ cluster: appends, counters: driver.counters, timers, random }),
      fetcher: new FeedFetcher({
        ...{ cluster: tails, clock, timers, tasks: this.#tasks },
        onFailure: (error) => {
          failed('follow lanes', error);
        },
      }),
    };
  }

  /** Rejects with StoreError, or as kafkajs does. */
  async start(): Promise<void> {
    await this.#admin.connect();
    await Promise.all(Object.values(this.#clusters).map((cluster) => cluster.connect()));
    this.#lookLater();
  }

  get problem(): string | undefined {
    return this.#problem ?? this.#context.attachedTopics.problem;
  }

  get figures(): KafkaFigures {
    const { fetcher, producers } = this.#context;
    const { lanes, failing } = fetcher.followed;
    return {
      ...this.#driver.counters,
      ...{ lanesFollowed: lanes, lanesFailing: failing },
      ...{ appendsWaiting: producers.waiting, appendsInDoubt: producers.inDoubt },
    };
  }

  get capabilities(): StorageCapabilities {
    const { movable } = this.#options.state.capabilities;
    return { appendFence: false, durability: 'buffered', truncate: true, offsetAt: true, movable };
  }

  async openPartition(request: OpenPartitionRequest): Promise<OpenPartitionOutcome> {
    try {
      return await this.#gates.open(request, (gate) => openPartition(this.#context, request, gate));
    } catch (error) {
      throw readFault(error, `open partition ${request.topicId}/${request.partition}`);
    }
  }

  /** A deleted topic's Kafka topics go with the last of its partitions; one that it was attached to stays as it is. */
  async deletePartition(topicId: number, partition: number): Promise<void> {
    const { topics, state } = this.#context;
    for (let lane = 0; lane < LANES_MAX; lane += 1) {
      await topics.empty(topics.nameOf(topicId, lane), partition);
    }
    await state.deletePartition(topicId, partition);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#cancelLook();
    await this.#gates.close();
    this.#context.producers.close();
    this.#context.fetcher.close();
    await Promise.all([this.#admin.disconnect(), ...Object.values(this.#clusters).map((cluster) => cluster.close())]);
    await this.#tasks.settled();
  }

  #lookLater(): void {
    this.#cancelLook = this.#timers.after(LOOK_EACH_MS, () => {
      this.#tasks.run('look whether Kafka answers', () => this.#look());
    });
  }

  async #look(): Promise<void> {
    try {
      await this.#driver.refreshTls();
      await this.#clusters.reads.refresh();
      await this.#context.attachedTopics.look();
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error instanceof StoreError ? error.message : String(error);
    }
    if (this.#closed === undefined) {
      this.#lookLater();
    }
  }
}

type Three = [KafkaCluster, KafkaCluster, KafkaCluster];
