import { connect } from '@hermes/client';
import { MessagingServiceService, PositionEdge, PublishRequest } from '@hermes/contracts';

import { Caller } from './caller.js';
import { Cluster } from './cluster.js';
import { watchMemory } from './memory.js';

/** Tables of bad input must not cost a server more than what a few large requests leave to a garbage collector. */
const GROWTH_MAX_MIB = 250;

/** Who answers. */
export type Server = 'gateway' | 'broker' | 'meta-server';

/** One cluster for a table of bad input: it must have answered everything and be as well as before. */
export class ClusterUnderAbuse {
  #cluster!: Cluster;
  #memory!: ReturnType<typeof watchMemory>;
  readonly #callers = new Map<Server, Caller>();

  /** Starts with the topic `orders` of two partitions, its group `billing`, and `wide` for big messages. */
  async start(): Promise<void> {
    this.#cluster = await Cluster.start({ brokers: 1 });
    const { gatewayEndpoint, metaEndpoint, brokers } = this.#cluster;
    this.#callers.set('gateway', new Caller(gatewayEndpoint));
    this.#callers.set('broker', new Caller(brokers[0]!.endpoint));
    this.#callers.set('meta-server', new Caller(metaEndpoint));
    await using hermes = await connect({ gateway: gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'orders', partitions: 2 });
    await hermes.admin.createTopic({ name: 'wide', partitions: 1, maxBodyBytes: 8 * 1024 * 1024 });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    this.#memory = watchMemory(this.#pids());
  }

  get cluster(): Cluster {
    return this.#cluster;
  }

  at(server: Server): Caller {
    return this.#callers.get(server)!;
  }

  /** A topic of one partition, if it is not there yet, and a group of it that starts at the earliest. */
  async create(topic: string, group: string): Promise<void> {
    await using hermes = await connect({ gateway: this.#cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: topic, partitions: 1 });
    await hermes.admin.createGroup({
      ...{ topic, name: group },
      start: { kind: { $case: 'edge', value: PositionEdge.EARLIEST } },
    });
  }

  /** Every process still runs, serves, and has not grown; nothing of the whole table was logged as a bug. */
  async expectUnharmed(): Promise<void> {
    const request = PublishRequest.fromPartial({ topic: 'orders', messages: [{ body: Buffer.from('still here') }] });
    for (const server of ['gateway', 'broker'] as const) {
      const { results } = await this.at(server).call(MessagingServiceService.publish, request);
      expect(results.map(({ outcome }) => outcome?.$case)).toEqual(['messageId']);
    }
    const growth = this.#memory.stop();
    expect(Object.values(growth).every((mib) => mib < GROWTH_MAX_MIB) || growth).toBe(true);
    for (const process of this.#cluster.processes) {
      expect(process.output).not.toMatch(/"level":"(error|fatal)"/);
    }
  }

  async stop(): Promise<void> {
    for (const caller of this.#callers.values()) {
      caller[Symbol.dispose]();
    }
    await this.#cluster[Symbol.asyncDispose]();
  }

  #pids(): Record<string, number> {
    return Object.fromEntries(this.#cluster.processes.map(({ title, pid }) => [title, pid]));
  }
}
