import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { connect, type Hermes, stringCodec } from '@hermes/client';
import { BrokerState } from '@hermes/contracts';
import { eventually, freePort, isAlive } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';
import { HermesProcess } from '../harness/hermes-process.js';

const PROCESSES = 3;
const PATIENCE = { deadlineMs: 60_000 };

/** `hermes broker --processes 3` beside a meta-server and a gateway. */
class Supervised implements AsyncDisposable {
  private constructor(
    readonly cluster: Cluster,
    readonly hermes: Hermes,
    readonly supervisor: HermesProcess,
    readonly port: number,
  ) {}

  static async start(): Promise<Supervised> {
    const cluster = await Cluster.start({ brokers: 0, leaseTtlMs: 4_000 });
    const [port, opsPort] = [await freePort(), await freePort()];
    const supervisor = new HermesProcess('supervisor', [
      ...['broker', '--processes', String(PROCESSES), '--broker-name', 'b'],
      ...[
        '--broker-port',
        String(port),
        '--broker-ops-port',
        String(opsPort + (opsPort > port ? PROCESSES : -PROCESSES)),
      ],
      ...['--data-dir', cluster.directoryOf('data'), '--meta-servers', cluster.metaEndpoint],
    ]);
    supervisor.start();
    return new Supervised(cluster, await connect({ gateway: cluster.gatewayEndpoint }), supervisor, port);
  }

  /** Process ids by port, as the supervisor started them last. */
  get pids(): Map<string, number> {
    const started = this.supervisor.output.split('\n').flatMap((line) => {
      const found = /"process":"([^"]+)","pid":(\d+),"msg":"a broker was started"/.exec(line);
      return found === null ? [] : [[found[1] ?? '', Number(found[2])] as const];
    });
    return new Map(started);
  }

  async activeBrokers(): Promise<{ name: string; endpoint: string }[]> {
    const { brokers } = await this.hermes.admin.getCluster();
    return brokers
      .filter(({ state }) => state === BrokerState.ACTIVE)
      .map(({ name, endpoint }) => ({ name, endpoint }));
  }

  async allActive(): Promise<void> {
    await eventually(async () => {
      expect(await this.activeBrokers()).toEqual(
        ['b', 'b-1', 'b-2'].map((name, nth) => ({ name, endpoint: `127.0.0.1:${this.port + nth}` })),
      );
    }, PATIENCE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hermes.close();
    await this.supervisor.end('SIGKILL');
    await eventually(() => [...this.pids.values()].every((pid) => !isAlive(pid)), PATIENCE);
    await this.cluster[Symbol.asyncDispose]();
  }
}

describe('hermes broker --processes', () => {
  it('runs ordinary brokers; one that dies is started again on its port and its data', async () => {
    await using supervised = await Supervised.start();
    const { hermes } = supervised;
    await supervised.allActive();
    await hermes.admin.createTopic({ name: 'orders', partitions: 2 * PROCESSES });
    const producer = hermes.producer('orders', { codec: stringCodec });
    const keys = Array.from({ length: 50 }, (_, nth) => `key-${nth}`);
    const publishAll = () => Promise.all(keys.map((key) => producer.publish('x', { key })));
    await publishAll();

    const before = supervised.pids;
    const name = `broker on port ${supervised.port + 1}`;
    process.kill(before.get(name)!, 'SIGKILL');
    await eventually(() => {
      expect(supervised.pids.get(name)).not.toBe(before.get(name));
    }, PATIENCE);
    await supervised.allActive();
    // Its partitions are embedded, so it is the one that has them.
    await publishAll();
    const others = [...before].filter(([other]) => other !== name);
    expect(others.map(([other]) => supervised.pids.get(other))).toEqual(others.map(([, pid]) => pid));

    expect(await supervised.supervisor.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect([...supervised.pids.values()].filter(isAlive)).toEqual([]);
    expect(await supervised.activeBrokers()).toEqual([]);
  });

  it('leaves no broker behind when the supervisor is killed', async () => {
    await using supervised = await Supervised.start();
    await supervised.allActive();
    await supervised.supervisor.end('SIGKILL');
    await eventually(() => [...supervised.pids.values()].every((pid) => !isAlive(pid)), PATIENCE);
    await eventually(async () => {
      expect(await supervised.activeBrokers()).toEqual([]);
    }, PATIENCE);
  });

  it('ends with the code of a broker that cannot run as it is configured, and ends the others', async () => {
    await using cluster = await Cluster.start({ brokers: 0 });
    const port = await freePort();
    const file = cluster.directoryOf('file');
    writeFileSync(file, 'no directory');
    const supervisor = new HermesProcess('supervisor', [
      ...['broker', '--processes', '2', '--broker-port', String(port), '--broker-ops-port', String(port + 10)],
      ...['--data-dir', join(file, 'data'), '--meta-servers', cluster.metaEndpoint],
    ]);
    supervisor.start();
    expect(await supervisor.ended()).toEqual({ code: 78, signal: null });
    expect(supervisor.output).toContain('see what it said');
  });
});
