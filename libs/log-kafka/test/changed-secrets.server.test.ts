import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  createAuthority,
  eventually,
  FaultProxy,
  type KafkaCluster,
  type KafkaSecurity,
  startKafka,
  temporaryDirectory,
} from '@hermes/testing';

import { changePassword } from './change-password.js';
import { KafkaStore, RECOVERY } from './kafka-store.js';

jest.setTimeout(180_000);

/** A cluster of one broker, whose clients' connections can be cut. */
async function startBehindProxy(
  security: KafkaSecurity,
): Promise<{ readonly cluster: KafkaCluster; readonly proxy: FaultProxy } & AsyncDisposable> {
  const proxies: FaultProxy[] = [];
  const cluster = await startKafka({
    security,
    proxy: async (port) => {
      const proxy = await FaultProxy.open({ host: '127.0.0.1', port });
      proxies.push(proxy);
      return proxy.port;
    },
  });
  const proxy = proxies[0]!;
  const close = async (): Promise<void> => {
    await cluster.close();
    await proxy.close();
  };
  return { cluster, proxy, [Symbol.asyncDispose]: close };
}

describe('the password of a Kafka user', () => {
  it('is read anew for each connection: who is refused goes on once the file has the new one', async () => {
    await using kafka = await startBehindProxy({ sasl: 'scram-sha-512' });
    const { cluster, proxy } = kafka;
    using directory = temporaryDirectory();
    const path = join(directory.path, 'password');
    writeFileSync(path, `${cluster.clientOptions().sasl!.password}\n`);
    await using store = await KafkaStore.open(cluster, { secret: `file:${path}` });
    const partition = await store.partition(1);
    expect((await store.append(partition, 'before'))?.kind).toBe('appended');

    await changePassword(cluster, 'another');
    // Those that are connected stay so, as long as nobody ends them.
    expect((await store.append(partition, 'still'))?.kind).toBe('appended');
    proxy.reset();
    await eventually(() => {
      expect(store.engine.problem).toMatch(/authentication failed/i);
    }, RECOVERY);
    expect(await store.append(partition, 'meanwhile')).toMatchObject({
      kind: 'refused',
      error: { kind: 'unavailable' },
    });

    writeFileSync(path, 'another\n');
    await eventually(async () => (await store.append(partition, 'after'))?.kind === 'appended', RECOVERY);
    await eventually(() => store.engine.problem === undefined, RECOVERY);
    // Another partition needs the administrator's connection, too.
    expect((await store.append(await store.partition(2), 'new'))?.kind).toBe('appended');
  });

  it('is taken as it is by PLAIN, too, and authorities that are changed hold for new connections', async () => {
    await using kafka = await startBehindProxy({ sasl: 'plain', tls: true });
    const { cluster, proxy } = kafka;
    using directory = temporaryDirectory();
    const file = (name: string, content: string): `file:${string}` => {
      const path = join(directory.path, name);
      writeFileSync(path, `${content}\n`);
      return `file:${path}`;
    };
    const { ssl, sasl } = cluster.clientOptions();
    const change = { secret: file('password', 'wrong'), tls: { ca: file('ca', ssl!.ca.join('\n')) } };
    await expect(KafkaStore.open(cluster, change)).rejects.toThrow(/authentication failed/i);
    file('password', sasl!.password);
    await using store = await KafkaStore.open(cluster, change);
    const partition = await store.partition(1);
    expect((await store.append(partition, 'before'))?.kind).toBe('appended');

    file('ca', createAuthority('Another').ca);
    await eventually(
      () => {
        proxy.reset();
        expect(store.engine.problem).toMatch(/certificate/);
      },
      { ...RECOVERY, intervalMs: 1_000 },
    );
    file('ca', ssl!.ca.join('\n'));
    await eventually(async () => (await store.append(partition, 'after'))?.kind === 'appended', RECOVERY);
  });
});
