import { env, stderr } from 'node:process';

import { type Engine } from './engine.js';
import {
  type KafkaBroker,
  type KafkaClientOptions,
  type KafkaCluster,
  type KafkaSecurity,
  type KafkaUserName,
  type SharedKafka,
} from './kafka-cluster.js';
import { openKafkaContainers } from './kafka-container.js';
import {
  addressOf,
  clientOptions,
  type KafkaNode,
  type KafkaPlan,
  type KafkaServers,
  planKafka,
} from './kafka-plan.js';
import { openKafkaPrograms } from './kafka-program.js';
import { openServer, SERVER_SOURCES, type ServerSource, untilReady } from './server-source.js';
import { TestRun } from './test-run.js';

export interface KafkaOptions {
  /** How many there are; each is a controller, too. 1 if unset. */
  readonly brokers?: 1 | 3;
  /** Properties of each broker: `{ 'log.segment.bytes': '1048576' }`. They win over what tests have otherwise. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Unset: those with which it starts fastest; it then runs slower than it could. */
  readonly jvmOptions?: readonly string[];
  /** Unset: no login, no TLS. */
  readonly security?: KafkaSecurity;
  /** Leads clients through a proxy of the caller's: opens one in front of a port of 127.0.0.1, and gives its own port. */
  readonly proxy?: (port: number) => Promise<number>;
  /** The sources to try; all if unset. */
  readonly sources?: readonly ServerSource[];
}

/** Half of what a start takes is the second compiler, which pays after minutes. */
const STARTS_FAST = ['-XX:TieredStopAtLevel=1'];
const BOOTSTRAP_VARIABLE = 'HERMES_TEST_KAFKA_BOOTSTRAP';
const ADVICE =
  'Start Docker, or install Java 17 and Maven, ' +
  `or name a running cluster in ${BOOTSTRAP_VARIABLE} (host:port,…; for tests that share one).`;
const OPENERS = { docker: openKafkaContainers, program: openKafkaPrograms } as const;

/**
 * Starts a cluster of the caller's own, Kafka 4 in KRaft mode: from Docker, else from Maven's jars. Topics are not made
 * by themselves. Ended by `close` or disposal, at the latest with the test run. Throws what to install if there is none.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const {
    brokers = 1,
    settings = {},
    jvmOptions = STARTS_FAST,
    security = {},
    proxy,
    sources = SERVER_SOURCES,
  } = options;
  const run = TestRun.open();
  const plan = await planKafka({ brokers, settings, jvmOptions, security, ...(proxy === undefined ? {} : { proxy }) });
  const servers = await openServer('Kafka', sources, (source) => OPENERS[source](plan, run), ADVICE);
  const cluster = new StartedCluster(plan, servers);
  await cluster.untilComplete().catch(async (error: unknown) => {
    await cluster.close();
    throw error;
  });
  return cluster;
}

/**
 * The cluster that the whole test run shares, without login and TLS: the one that HERMES_TEST_KAFKA_BOOTSTRAP names
 * (`host:port,…`), else a broker that the first caller starts, and that ends with the run.
 */
export async function sharedKafka(): Promise<SharedKafka> {
  const named = (env[BOOTSTRAP_VARIABLE] ?? '').split(',').filter((address) => address !== '');
  return { bootstrap: named.length > 0 ? named : await sharedBootstrap() };
}

function sharedBootstrap(): Promise<readonly string[]> {
  return TestRun.open().once('kafka', async () => {
    stderr.write('hermes: starting Kafka for the tests …\n');
    return (await startKafka()).bootstrap;
  });
}

class StartedCluster implements KafkaCluster {
  readonly bootstrap: readonly string[];
  readonly brokers: readonly StartedBroker[];
  #closed: Promise<void> | undefined;

  constructor(
    private readonly plan: KafkaPlan,
    private readonly servers: KafkaServers,
  ) {
    this.bootstrap = plan.nodes.map(addressOf);
    this.brokers = plan.nodes.map((node, index) => new StartedBroker(plan, node, servers.engines[index] as Engine));
  }

  /** Waits until each broker answers and knows all the others. */
  async untilComplete(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.untilAnswers(this.brokers.length)));
  }

  clientOptions(user: KafkaUserName = 'admin'): KafkaClientOptions {
    return clientOptions(this.plan, user);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.servers.remove());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class StartedBroker implements KafkaBroker {
  readonly nodeId: number;
  readonly address: string;

  constructor(
    private readonly plan: KafkaPlan,
    node: KafkaNode,
    private readonly engine: Engine,
  ) {
    this.nodeId = node.nodeId;
    this.address = addressOf(node);
  }

  stop(): Promise<void> {
    return this.engine.end('SIGTERM');
  }

  kill(): Promise<void> {
    return this.engine.end('SIGKILL');
  }

  async start(): Promise<void> {
    await this.engine.start();
    await this.untilAnswers(1);
  }

  pause(): Promise<void> {
    return this.engine.pause();
  }

  resume(): Promise<void> {
    return this.engine.resume();
  }

  /** Waits until it answers and knows so many brokers; it takes no request before it is a member of the cluster. */
  untilAnswers(brokers: number): Promise<void> {
    const options = { ...clientOptions(this.plan, 'admin'), brokers: [this.address] };
    return untilReady(this.engine, async () => {
      const known = await countBrokers(options);
      if (known < brokers) {
        throw new Error(`${this.address} knows ${known} of ${brokers} brokers`);
      }
    });
  }
}

async function countBrokers(options: KafkaClientOptions): Promise<number> {
  // Loaded here, so that tests without a broker do not pay for it.
  const { Kafka, logLevel } = await import('kafkajs');
  const admin = new Kafka({ ...options, logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length;
  } finally {
    await admin.disconnect();
  }
}
