import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

import type { PartitionStore } from '@hermes/log';
import { eventually, type KafkaCluster, startKafka } from '@hermes/testing';

import { KafkaStore, RECOVERY } from './kafka-store.js';

const LANES = 50;
const AWAY_MS = 20_000;
/** Whatever the number of lanes. */
const PER_SECOND_MAX = 8;

jest.setTimeout(240_000);

/** Leads connections to `port`, and counts them. */
class CountingProxy {
  connections = 0;

  private constructor(private readonly server: Server) {}

  static async open(port: number): Promise<CountingProxy> {
    const server = createServer();
    const proxy = new CountingProxy(server);
    server.on('connection', (client) => {
      proxy.connections += 1;
      const target = connect(port, '127.0.0.1');
      client.pipe(target).pipe(client);
      for (const [one, other] of [
        [client, target],
        [target, client],
      ] as const) {
        one.on('error', () => undefined);
        one.on('close', () => other.destroy());
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
  }
}

describe('a store whose Kafka is away', () => {
  let proxy: CountingProxy;
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({
      proxy: async (port) => {
        proxy = await CountingProxy.open(port);
        return proxy.port;
      },
    });
  });
  afterAll(async () => {
    await cluster.close();
    proxy.close();
  });

  it(`with ${LANES} lanes that write connects a few times a second, and goes on when it is back`, async () => {
    let lines = 0;
    await using store = await KafkaStore.open(cluster, { onLog: () => (lines += 1) });
    const partitions: PartitionStore[] = [];
    for (let partition = 0; partition < LANES; partition += 1) {
      partitions.push(await store.partition(1, partition, LANES));
    }
    const writing = store.write(partitions);
    await store.goesOn(writing);
    await cluster.brokers[0]!.kill();
    const before = proxy.connections;
    const sinceMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    const perSecond = ((proxy.connections - before) / (performance.now() - sinceMs)) * 1_000;
    process.stdout.write(`${perSecond.toFixed(1)} connections a second, ${lines} lines of kafkajs\n`);
    expect(perSecond).toBeGreaterThan(0);
    expect(perSecond).toBeLessThan(PER_SECOND_MAX);
    expect(store.engine.problem).toBeDefined();
    await cluster.brokers[0]!.start();
    await store.goesOn(writing, LANES);
    await writing.stop();
    await eventually(() => store.engine.problem === undefined, RECOVERY);
    const texts = (await Promise.all(partitions.map((_, partition) => store.texts(1, partition)))).flat();
    expect(texts).toHaveLength(new Set(texts).size);
    expect(texts).toEqual(expect.arrayContaining(store.acknowledged.get(1)!));
  });
});
