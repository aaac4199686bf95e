import { connect, type Hermes, stringCodec, type TopicSpec } from '@hermes/client';
import { setTimeout as sleep } from 'node:timers/promises';

import { type BrokerProcess, type Cluster } from '../harness/cluster.js';
import { HermesProcess } from '../harness/hermes-process.js';

/** A running cluster, and how to make a topic of the class that is tried. */
export interface DeliveryCluster extends AsyncDisposable {
  readonly processes: Cluster;
  readonly topicFields: Partial<TopicSpec>;
  /** Each loses the outcome of a settle that is under way, or of the next one, and mends what it broke. */
  readonly losses: readonly Loss[];
}

export type Loss = () => Promise<unknown>;

/** The broker ends in the middle of whatever it does, and starts again. */
export async function killed({ process }: BrokerProcess): Promise<void> {
  await process.end('SIGKILL');
  await process.startReady();
}

/** The same, of each broker and each at another moment of a request that begins now. */
export function killings(brokers: readonly BrokerProcess[]): Loss[] {
  return brokers.map((broker, nth) => async () => {
    await sleep(15 + 15 * nth);
    await killed(broker);
  });
}

/** Of the brokers' leases. */
export const LEASE_TTL_MS = 5_000;
export const PATIENCE = { deadlineMs: 30_000 };

/** A consumer that works until it is stopped. */
export interface Consuming {
  /** What its handler got, as `text#attempt`. */
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** What all scenarios of one storage class share: a cluster, a client of its gateway, topics without end. */
export class DeliverySuite {
  hermes!: Hermes;
  readonly #start: () => Promise<DeliveryCluster>;
  #cluster!: DeliveryCluster;
  #topics = 0;

  constructor(start: () => Promise<DeliveryCluster>) {
    this.#start = start;
  }

  get processes(): Cluster {
    return this.#cluster.processes;
  }

  get losses(): readonly Loss[] {
    return this.#cluster.losses;
  }

  async start(): Promise<void> {
    this.#cluster = await this.#start();
    this.hermes = await connect({ gateway: this.processes.gatewayEndpoint });
  }

  async stop(): Promise<void> {
    await this.hermes.close();
    await this.#cluster[Symbol.asyncDispose]();
  }

  async topic(fields: Partial<TopicSpec> = {}): Promise<string> {
    this.#topics += 1;
    const name = `delivery-${this.#topics}`;
    await this.hermes.admin.createTopic({ name, partitions: 2, ...this.#cluster.topicFields, ...fields });
    return name;
  }

  /** Begins to consume. */
  consume(name: string, group: string, handle: (text: string, attempt: number) => void = () => undefined): Consuming {
    const seen: string[] = [];
    const consumer = this.hermes.consumer<string>(name, group, { codec: stringCodec, concurrency: 8 });
    const running = consumer.run(({ body, attempt }) => {
      seen.push(`${body}#${attempt}`);
      handle(body, attempt);
    });
    const stop = async (): Promise<void> => {
      await consumer.drain();
      await running;
    };
    return { seen, stop };
  }

  /** The ids of messages of these texts, each its own key. */
  async publish(name: string, texts: readonly string[], options = {}): Promise<string[]> {
    const producer = this.hermes.producer<string>(name, { codec: stringCodec });
    const receipts = await Promise.all(texts.map((text) => producer.publish(text, { key: text, ...options })));
    return receipts.map(({ id = '' }) => id);
  }

  async cli(...args: string[]): Promise<{ code: number | null; output: string }> {
    const process = new HermesProcess('hermes', [...args, '--server', this.processes.gatewayEndpoint]);
    process.start();
    const { code } = await process.ended();
    return { code, output: process.output };
  }

  async progress(name: string, group: string): Promise<{ lag: number; dead: number }> {
    const { lanes } = await this.hermes.admin.describeGroup(name, group);
    const sum = (count: (lane: (typeof lanes)[0]) => number) => lanes.reduce((total, lane) => total + count(lane), 0);
    return { lag: sum(({ lag }) => lag), dead: sum(({ deadLetters }) => deadLetters) };
  }
}
