import { createServer } from 'node:net';
import { join } from 'node:path';

import { silentLogger } from '@hermes/kit';
import { eventually, freePort, temporaryDirectory } from '@hermes/testing';
import { Topic } from '@hermes/contracts';

import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';
import { metaServerConfig, startMetaServer } from './index.js';

describe('a meta-server', () => {
  test('a database that another one has, and a port in use, end the start with 69 and leave nothing behind', async () => {
    const fixture = await new MetaServerFixture().start();
    const start = (settings: object): Promise<unknown> =>
      startMetaServer(metaServerConfig.parse({ metaPort: 0, metaOpsPort: 0, ...settings }), { logger: silentLogger });
    await expect(start({ metadataUrl: fixture.url })).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('meta.lock') as unknown,
    });
    using directory = temporaryDirectory();
    const metadataUrl = `sqlite:${join(directory.path, 'meta.db')}`;
    for (const settings of [{ metaPort: fixture.server.port }, { metaOpsPort: fixture.server.opsPort }]) {
      await expect(start({ metadataUrl, ...settings })).rejects.toMatchObject({ exitCode: 69 });
    }
    await fixture.stop();
  });

  test('is ready, shows its metrics, and stops twice as once', async () => {
    const fixture = await new MetaServerFixture().start();
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${fixture.server.opsPort}${path}`);
    expect((await get('/readyz')).status).toBe(200);
    fixture.broker();
    await fixture.admin.createTopic({ topic: Topic.fromPartial({ name: 'a', partitions: 3 }) });
    const text = await (await get('/metrics')).text();
    expect(text).toContain('hermes_meta_server_leadership_epoch 1');
    expect(text).toContain('hermes_meta_server_partitions 3');
    expect(text).toContain('hermes_meta_server_unowned_partitions 0');
    expect(text).toContain('hermes_meta_server_broker_lease_streams 1');
    const { server } = fixture;
    await Promise.all([fixture.stop(), server.stop({ deadlineMs: 100 })]);
    await expect(get('/livez')).rejects.toThrow();
  });

  test('a call that waits while the server stops ends DRAINING', async () => {
    const fixture = await new MetaServerFixture().start();
    const { admin } = fixture;
    const waiting = failureOf(admin.createTopic({ topic: Topic.fromPartial({ name: 'a' }) }));
    await eventually(() => admin.getTopic({ topic: 'a' }));
    await fixture.stopServer();
    expect(await waiting).toMatchObject({ code: 'DRAINING', retryable: true });
    await fixture.stop();
  });

  describe('when a broker’s stream ends, long before its TTL', () => {
    const settings = { brokerLeaseTtlMs: 60_000 };
    const endpointOf = async (fixture: MetaServerFixture): Promise<string> => {
      const { admin } = fixture;
      const { partitions } = await admin.listPartitions({ topic: 'a', pageToken: '' });
      return partitions[0]!.broker;
    };

    test('a refused connection to its address takes its partitions after a second', async () => {
      const fixture = await new MetaServerFixture().start(settings);
      const broker = fixture.broker({ endpoint: `127.0.0.1:${await freePort()}` });
      await fixture.admin.createTopic({ topic: Topic.fromPartial({ name: 'a', partitions: 1 }) });
      const crashedAtMs = performance.now();
      broker.crash();
      await eventually(async () => (await endpointOf(fixture)) === '', { deadlineMs: 4_000 });
      expect(performance.now() - crashedAtMs).toBeGreaterThan(990);
      await fixture.stop();
    });

    test('an address that still answers keeps them', async () => {
      const listener = createServer((socket) => {
        socket.destroy();
      });
      const port = await new Promise<number>((resolve) => {
        listener.listen(0, '127.0.0.1', () => {
          resolve((listener.address() as { port: number }).port);
        });
      });
      const probed = new Promise((resolve) => listener.once('connection', resolve));
      const fixture = await new MetaServerFixture().start(settings);
      const broker = fixture.broker({ endpoint: `127.0.0.1:${port}` });
      await fixture.admin.createTopic({ topic: Topic.fromPartial({ name: 'a', partitions: 1 }) });
      broker.crash();
      await probed;
      // Still there after the probe, and a new stream of the process finds its epoch.
      expect(await endpointOf(fixture)).toBe('b1');
      const back = fixture.broker({ endpoint: `127.0.0.1:${port}`, held: broker.assignments });
      await eventually(() => {
        expect(back.assignments.map(({ epoch }) => epoch)).toEqual([1]);
      });
      await fixture.stop();
      listener.close();
    });
  });
});

describe('the configuration', () => {
  test('has the documented defaults', () => {
    expect(metaServerConfig.parse({})).toMatchObject({
      host: '127.0.0.1',
      metaPort: 4370,
      metaOpsPort: 9470,
      metadataUrl: 'sqlite:hermes-data/meta.db',
      brokerLeaseTtlMs: 10_000,
      consumerLeaseTtlMs: 10_000,
      defaultStorageClass: 'embedded',
    });
  });

  test.each([
    { metadataUrl: 'mysql://h/db' },
    { metadataUrl: 'mysql://u:secret@h/db' },
    { metadataUrl: 'mysql://u@h/db?password=secret' },
    { metadataUrl: 'mysql://u@h/db?tls=maybe' },
    { metadataUrl: 'postgres://u@h/db' },
    { metadataUrl: '' },
    { brokerLeaseTtlMs: 0 },
    { brokerLeaseTtlMs: 1.5 },
    { defaultStorageClass: 'paper' },
    { host: '0.0.0.0' },
    { metaPort: 70_000 },
  ])('%j is refused', (settings) => {
    const { success, error } = metaServerConfig.safeParse(settings);
    expect(success).toBe(false);
    expect(error?.message).not.toContain('secret@');
  });

  test('a MySQL database is taken, its password by a file alone', () => {
    const settings = { metadataUrl: 'mysql://u@h:3307/db?tls=encrypt', metadataPasswordFile: '/run/secret' };
    expect(metaServerConfig.parse(settings)).toMatchObject(settings);
  });
});
