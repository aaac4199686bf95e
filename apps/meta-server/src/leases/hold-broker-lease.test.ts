import {
  DataSource,
  Durability,
  fromServiceError,
  type HermesError,
  HoldBrokerLeaseRequest_Register,
  StorageClass,
} from '@hermes/contracts';
import { eventually as eventuallyWithin } from '@hermes/testing';

import { type FakeBroker } from '../../test/fake-broker.js';
import { MetaServerFixture, TTL_MS } from '../../test/meta-server-fixture.js';

/** Below Jest's own limit, so that what is not true is told. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => eventuallyWithin(check, { deadlineMs: 3_000 });

describe('HoldBrokerLease', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  const epochs = (broker: FakeBroker): number[] => broker.assignments.map(({ epoch }) => epoch);

  test('a heartbeat is answered with its sequence and the TTL; assignments come with their directory', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 2);
    await eventually(() => broker.grants.some(({ sequence }) => sequence >= 2));
    expect(broker.grants.find(({ sequence }) => sequence === 1)?.ttl).toEqual({ seconds: 0, nanos: TTL_MS * 1e6 });
    expect(broker.assignments).toEqual([
      expect.objectContaining({ topic: 'orders', partition: 0, epoch: 1, dataSource: 'd1', revision: 1 }),
      expect.objectContaining({ topic: 'orders', partition: 1, epoch: 1, dataSource: 'd1', revision: 1 }),
    ]);
    // Once it was ready, the storage must exist: the next process is told so.
    broker.crash();
    const next = fixture.broker({ incarnation: 2 });
    await eventually(() => next.assignments.length === 2);
    expect(next.assignments.every(({ created }) => created)).toBe(true);
  });

  test('a new incarnation takes over at once, at higher epochs, and the older stream ends FENCED', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 2);
    const next = fixture.broker({ incarnation: 2 });
    await eventually(() => next.assignments.length === 2);
    expect(epochs(next)).toEqual([2, 2]);
    await eventually(() => {
      expect(broker.ended).toMatchObject({ code: 'FENCED' });
    });
    // The old process comes late: it stays out.
    const late = fixture.broker({ incarnation: 1 });
    await eventually(() => {
      expect(late.ended).toMatchObject({ code: 'FENCED' });
    });
  });

  test('the same incarnation comes back on a new stream and keeps what it names as held, at its epoch', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 2);
    const [first] = broker.assignments;
    const again = fixture.broker({ held: [first!] });
    await eventually(() => again.assignments.length === 2);
    expect(epochs(again)).toEqual([1, 2]);
    await eventually(() => {
      expect(broker.ended).toMatchObject({ code: 'FENCED' });
    });
  });

  test('a broker that falls silent loses its lease after the TTL, and its routes with it', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 1);
    broker.stall();
    await eventually(() => {
      expect(broker.ended).toMatchObject({ code: 'PARTITION_MOVING', retryable: true });
    });
    const { admin } = fixture;
    const { partitions } = await admin.listPartitions({ topic: 'orders', pageToken: '' });
    expect(partitions[0]).toMatchObject({ broker: '', epoch: 1 });
    const back = fixture.broker();
    await eventually(() => {
      expect(epochs(back)).toEqual([2]);
    });
  });

  test('epoch_too_low is answered with an epoch above the observed one', async () => {
    const broker = fixture.broker({ ready: false });
    const created = fixture.createTopic('orders', 1);
    await eventually(() => broker.assignments.length === 1);
    const [assignment] = broker.assignments;
    broker.send({ $case: 'epochTooLow', value: { assignment: assignment!, observed: 41 } });
    await eventually(() => {
      expect(epochs(broker)).toEqual([42]);
    });
    broker.ready();
    await created;
  });

  test('what a draining broker releases is granted to nobody else while its directory is gone', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 1);
    const [assignment] = broker.assignments;
    broker.send({ $case: 'draining', value: {} });
    broker.send({ $case: 'released', value: assignment! });
    await eventually(() => broker.assignments.length === 0);
    const other = fixture.broker({ name: 'b2', incarnation: 9, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
    await fixture.createTopic('next', 1);
    expect(other.assignments.map(({ topic }) => topic)).toEqual(['next']);
  });

  test('another live process of the same name elsewhere is refused', async () => {
    fixture.broker();
    await fixture.createTopic('orders', 1);
    const other = fixture.broker({ incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
    await eventually(() => {
      expect(other.ended).toMatchObject({ code: 'RESOURCE_IN_USE' });
    });
  });

  test('epochs go on growing over restarts of the meta-server, and what is held keeps its own', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 2);
    const held = broker.assignments;
    await fixture.stopServer();
    await eventually(() => {
      expect(broker.ended).toMatchObject({ code: 'DRAINING', retryable: true });
    });
    await fixture.start();
    const back = fixture.broker({ held });
    await eventually(() => {
      expect(epochs(back)).toEqual([1, 1]);
    });
    await fixture.stopServer();
    await fixture.start();
    const next = fixture.broker({ incarnation: 2 });
    await eventually(() => {
      expect(epochs(next)).toEqual([2, 2]);
    });
    const { leaderEpoch } = await fixture.admin.getCluster({});
    expect(leaderEpoch).toBe(3);
  });

  test('a deleted topic is taken from its owner', async () => {
    const broker = fixture.broker();
    await fixture.createTopic('orders', 1);
    await fixture.admin.deleteTopic({ topic: 'orders', etag: '', force: false });
    await eventually(() => broker.assignments.length === 0);
  });

  describe('hostile brokers', () => {
    const expectEnd = async (broker: FakeBroker, fields: object): Promise<void> => {
      await eventually(() => {
        expect(broker.ended).toMatchObject(fields);
      });
    };

    test.each<[string, object, string]>([
      ['an empty name', { name: '' }, 'register.broker'],
      ['a long name', { name: 'x'.repeat(129) }, 'register.broker'],
      ['no incarnation', { incarnation: 0 }, 'register.incarnation'],
      ['no port', { endpoint: 'host' }, 'register.endpoint'],
      ['port 0', { endpoint: 'host:0' }, 'register.endpoint'],
      ['a directory that is none', { dataDirectory: '../etc' }, 'register.data_directory'],
    ])('a register with %s is INVALID_FIELD', async (_, options, field) => {
      const broker = fixture.broker({ ...options, heartbeats: false });
      await expectEnd(broker, { code: 'INVALID_FIELD', violations: [expect.objectContaining({ field })] });
    });

    test('a second register, an unknown kind and a bad epoch end that stream alone', async () => {
      const good = fixture.broker();
      await fixture.createTopic('orders', 1);
      const twice = fixture.broker({ name: 'b2', endpoint: '127.0.0.1:2', dataDirectory: 'd2', heartbeats: false });
      twice.send({ $case: 'register', value: HoldBrokerLeaseRequest_Register.fromPartial({ broker: 'b2' }) });
      await expectEnd(twice, { code: 'INVALID_FIELD' });
      const unknown = fixture.broker({ name: 'b3', endpoint: '127.0.0.1:3', dataDirectory: 'd3', heartbeats: false });
      unknown.send(undefined);
      await expectEnd(unknown, { code: 'INVALID_FIELD' });
      const zero = fixture.broker({ name: 'b4', endpoint: '127.0.0.1:4', dataDirectory: 'd4', heartbeats: false });
      zero.send({ $case: 'heartbeat', value: { sequence: 0, dataSources: [] } });
      await expectEnd(zero, { code: 'INVALID_FIELD' });
      const answered = good.grants.length;
      await eventually(() => good.grants.length > answered);
      expect(good.ended).toBeUndefined();
      expect(epochs(good)).toEqual([1]);
    });

    test('a stream that begins with anything but register is refused', async () => {
      const stream = fixture.newCoordination().holdBrokerLease();
      const ended = new Promise<HermesError>((resolve) => {
        stream.on('error', (error) => {
          resolve(fromServiceError(error));
        });
      });
      stream.on('data', () => undefined);
      stream.write({ kind: { $case: 'heartbeat', value: { sequence: 1, dataSources: [] } } });
      expect(await ended).toMatchObject({ code: 'INVALID_FIELD' });
    });

    test('who takes a name that another one has says nothing in its place, and erases nothing', async () => {
      await fixture.stopServer();
      await fixture.start({ brokerLeaseTtlMs: 60_000 });
      await fixture.admin.createDataSource({
        dataSource: DataSource.fromPartial({
          ...{ name: 'm1', storageClass: StorageClass.MYSQL, endpoints: ['db:3306'] },
          ...{ database: 'orders', username: 'hermes', secret: 'env:M1' },
        }),
      });
      const report = {
        dataSource: 'm1',
        problem: '',
        version: '1',
        durability: Durability.DURABLE,
        unreachable: false,
      };
      const good = fixture.broker({ ttlMs: 60_000 });
      good.dataSources = [report];
      good.heartbeat();
      const said = async (): Promise<(readonly [string, string])[]> => {
        const { dataSources } = await fixture.admin.listDataSources({ pageToken: '' });
        return dataSources.flatMap(({ health }) => health.map(({ broker, problem }) => [broker, problem] as const));
      };
      await eventually(async () => {
        expect(await said()).toEqual([['b1', '']]);
      });
      const elsewhere = { incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2', heartbeats: false };
      const impostor = fixture.broker(elsewhere);
      impostor.dataSources = [{ ...report, problem: 'a lie' }];
      impostor.heartbeat();
      await expectEnd(impostor, { code: 'RESOURCE_IN_USE' });
      expect(await said()).toEqual([['b1', '']]);
    });

    test('a durability that nobody knows is INVALID_FIELD', async () => {
      const broker = fixture.broker({ heartbeats: false });
      const report = {
        dataSource: 'db',
        problem: '',
        version: '1',
        durability: Durability.DURABLE,
        unreachable: false,
      };
      broker.dataSources = [Object.assign(report, { durability: 99 })];
      broker.heartbeat();
      const field = 'heartbeat.data_sources[0].durability';
      await expectEnd(broker, { code: 'INVALID_FIELD', violations: [expect.objectContaining({ field })] });
    });

    test('a flood of heartbeats ends BACKPRESSURE, and others are undisturbed', async () => {
      // Neither the lease's end nor a slow machine may come before the limit does.
      await fixture.stopServer();
      await fixture.start({ brokerLeaseTtlMs: 60_000 });
      const good = fixture.broker();
      const flooder = fixture.broker({ name: 'b2', endpoint: '127.0.0.1:2', dataDirectory: 'd2', heartbeats: false });
      const flood = (count: number): void => {
        for (let sent = 0; sent < count && flooder.ended === undefined; sent += 1) {
          flooder.heartbeat();
        }
      };
      flood(12_000);
      // What a slow machine allows again while it works that off is used up, too.
      await eventuallyWithin(
        () => {
          flood(20);
          return flooder.ended !== undefined;
        },
        { deadlineMs: 50_000 },
      );
      expect(flooder.ended).toMatchObject({ code: 'BACKPRESSURE' });
      expect(good.ended).toBeUndefined();
      await fixture.createTopic('orders', 1);
    }, 60_000);
  });
});
