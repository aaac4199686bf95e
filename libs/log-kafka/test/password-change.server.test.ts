import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { eventually, FaultProxy, startKafka, temporaryDirectory } from '@hermes/testing';

import { changePassword } from './change-password.js';
import { KafkaStore, RECOVERY } from './kafka-store.js';

jest.setTimeout(180_000);

describe('the password of a Kafka user', () => {
  it('is read anew for each connection: who is refused goes on once the file has the new one', async () => {
    let proxy: FaultProxy | undefined;
    await using cluster = await startKafka({
      security: { sasl: 'scram-sha-512' },
      proxy: async (port) => {
        proxy = await FaultProxy.open({ host: '127.0.0.1', port });
        return proxy.port;
      },
    });
    using directory = temporaryDirectory();
    const path = join(directory.path, 'password');
    writeFileSync(path, `${cluster.clientOptions().sasl!.password}\n`);
    await using store = await KafkaStore.open(cluster, { secret: `file:${path}` });
    const partition = await store.partition(1);
    expect((await store.append(partition, 'before'))?.kind).toBe('appended');

    await changePassword(cluster, 'another');
    // Those that are connected stay so, as long as nobody ends them.
    expect((await store.append(partition, 'still'))?.kind).toBe('appended');
    proxy!.reset();
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
    await proxy!.close();
  });

  it('is taken as it is by PLAIN, too', async () => {
    await using cluster = await startKafka({ security: { sasl: 'plain', tls: true } });
    using directory = temporaryDirectory();
    const path = join(directory.path, 'password');
    writeFileSync(path, 'wrong\n');
    const authority = join(directory.path, 'ca.pem');
    writeFileSync(authority, cluster.clientOptions().ssl!.ca.join('\n'));
    const change = { secret: `file:${path}`, tls: { ca: `file:${authority}` } } as const;
    await expect(KafkaStore.open(cluster, change)).rejects.toThrow(/authentication failed/i);
    writeFileSync(path, `${cluster.clientOptions().sasl!.password}\n`);
    await using store = await KafkaStore.open(cluster, change);
    expect((await store.append(await store.partition(1), 'text'))?.kind).toBe('appended');
  });
});
