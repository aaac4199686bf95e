import { setTimeout as sleep } from 'node:timers/promises';

import { connect, type Consumer, type Hermes, stringCodec } from '@hermes/client';
import { AdminServiceService, GroupMode } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { type ClusterUnderAbuse } from './cluster-under-abuse.js';

const TOPIC = 'beside';
const GROUP = 'bystanders';
const PARTITIONS = 4;
const PAUSE_MS = 10;
/** On a busy machine. */
const SOON = { deadlineMs: 30_000 };

/** Who has what, at which epochs. */
interface Held {
  readonly owners: readonly unknown[];
  readonly brokers: readonly unknown[];
  readonly consumers: readonly unknown[];
}

/** An honest broker, publisher and consumer (of an EXCLUSIVE group), beside whatever others do to the cluster. */
export class Bystanders {
  readonly #under: ClusterUnderAbuse;
  readonly #hermes: Hermes;
  readonly #failures: unknown[] = [];
  readonly #acknowledged: string[] = [];
  readonly #delivered: string[] = [];
  #consumer!: Consumer<string>;
  #before!: Held;
  #running: Promise<unknown> = Promise.resolve();
  #longestMs = 0;
  #over = false;

  private constructor(under: ClusterUnderAbuse, hermes: Hermes) {
    this.#under = under;
    this.#hermes = hermes;
  }

  /** Starts them on a topic of their own, and waits until everything is owned and held. */
  static async start(under: ClusterUnderAbuse): Promise<Bystanders> {
    const hermes = await connect({ gateway: under.cluster.gatewayEndpoint });
    const bystanders = new Bystanders(under, hermes);
    await bystanders.#start();
    return bystanders;
  }

  async #start(): Promise<void> {
    await this.#hermes.admin.createTopic({ name: TOPIC, partitions: PARTITIONS });
    await this.#hermes.admin.createGroup({ topic: TOPIC, name: GROUP, mode: GroupMode.EXCLUSIVE });
    this.#consumer = this.#hermes.consumer(TOPIC, GROUP, { name: 'bystander', codec: stringCodec });
    const consuming = this.#consumer.run(({ body, attempt }) => {
      // A second attempt would be one that somebody disturbed.
      this.#delivered.push(attempt === 1 ? body : `${body} again`);
    });
    this.#running = Promise.all([consuming, this.#publish()]);
    await eventually(async () => {
      this.#before = await this.#held();
      expect(this.#before.consumers).toHaveLength(PARTITIONS);
      expect(this.#delivered).not.toEqual([]);
    }, SOON);
  }

  /** Stops them: nothing failed, came twice, or was granted anew. Gives the longest time between two publishes, in ms. */
  async expectUndisturbed(): Promise<number> {
    expect(await this.#held()).toEqual(this.#before);
    this.#over = true;
    await eventually(() => {
      expect(this.#failures).toEqual([]);
      expect([...this.#delivered].sort()).toEqual([...this.#acknowledged].sort());
    }, SOON);
    await this.#consumer.drain({ deadlineMs: 5_000 });
    await this.#running;
    await this.#hermes[Symbol.asyncDispose]();
    return this.#longestMs;
  }

  async #publish(): Promise<void> {
    const producer = this.#hermes.producer(TOPIC, { codec: stringCodec });
    for (let nth = 0; !this.#over; nth += 1) {
      const beganAt = performance.now();
      try {
        await producer.publish(`m-${nth}`, { key: `k-${nth}` });
        this.#acknowledged.push(`m-${nth}`);
      } catch (error) {
        this.#failures.push(error);
      }
      this.#longestMs = Math.max(this.#longestMs, performance.now() - beganAt);
      await sleep(PAUSE_MS);
    }
  }

  /** What they hold of the cluster; what others hold is no matter. */
  async #held(): Promise<Held> {
    const meta = this.#under.at('meta-server');
    const { partitions } = await meta.call(AdminServiceService.listPartitions, { topic: TOPIC, pageToken: '' });
    const { brokers, consumers } = await meta.call(AdminServiceService.getCluster, { consumers: true });
    return {
      owners: partitions.map(({ partition, broker, epoch, state }) => ({ partition, broker, epoch, state })),
      brokers: brokers
        .filter(({ name }) => name === 'broker-0')
        .map(({ incarnation, endpoint, state, build }) => ({ incarnation, endpoint, state, build })),
      consumers: consumers.filter(({ group }) => group === GROUP).flatMap(({ held }) => held),
    };
  }
}
