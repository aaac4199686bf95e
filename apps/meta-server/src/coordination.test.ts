import { type ClientDuplexStream, type ClientReadableStream } from '@grpc/grpc-js';
import {
  type CoordinationServiceClient,
  fromServiceError,
  GroupMode,
  type HermesError,
  HoldBrokerLeaseRequest_Register,
  type HoldConsumerLeaseRequest,
  HoldConsumerLeaseRequest_Join,
  type HoldConsumerLeaseResponse,
  Topic,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { eventually as eventuallyWithin } from '@hermes/testing';

import { type FakeBroker } from '../test/fake-broker.js';
import { failureOf, MetaServerFixture, TTL_MS } from '../test/meta-server-fixture.js';

/** Below Jest's own limit, so that what is not true is told. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => eventuallyWithin(check, { deadlineMs: 3_000 });

describe('CoordinationService', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  const createTopic = (name: string, partitions: number): Promise<unknown> =>
    fixture.admin.createTopic({ topic: Topic.fromPartial({ name, partitions }) });
  const createGroup = (topic: string, name: string, mode: GroupMode): Promise<unknown> => {
    const group = {
      topic,
      name,
      mode,
      filter: '',
      deadLetterExpired: false,
      paused: false,
      uid: 0,
      etag: '',
      state: 0,
    };
    return fixture.admin.createGroup({ group });
  };
  const epochs = (broker: FakeBroker): number[] => broker.assignments.map(({ epoch }) => epoch);

  describe('HoldBrokerLease', () => {
    test('a heartbeat is answered with its sequence and the TTL; assignments come with their directory', async () => {
      const broker = fixture.broker();
      await createTopic('orders', 2);
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
      await createTopic('orders', 2);
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
      await createTopic('orders', 2);
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
      await createTopic('orders', 1);
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
      const created = createTopic('orders', 1);
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
      await createTopic('orders', 1);
      const [assignment] = broker.assignments;
      broker.send({ $case: 'draining', value: {} });
      broker.send({ $case: 'released', value: assignment! });
      await eventually(() => broker.assignments.length === 0);
      const other = fixture.broker({ name: 'b2', incarnation: 9, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
      await createTopic('next', 1);
      expect(other.assignments.map(({ topic }) => topic)).toEqual(['next']);
    });

    test('another live process of the same name elsewhere is refused', async () => {
      fixture.broker();
      await createTopic('orders', 1);
      const other = fixture.broker({ incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
      await eventually(() => {
        expect(other.ended).toMatchObject({ code: 'RESOURCE_IN_USE' });
      });
    });

    test('epochs go on growing over restarts of the meta-server, and what is held keeps its own', async () => {
      const broker = fixture.broker();
      await createTopic('orders', 2);
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
      await createTopic('orders', 1);
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
        await createTopic('orders', 1);
        const twice = fixture.broker({ name: 'b2', endpoint: '127.0.0.1:2', dataDirectory: 'd2', heartbeats: false });
        twice.send({ $case: 'register', value: HoldBrokerLeaseRequest_Register.fromPartial({ broker: 'b2' }) });
        await expectEnd(twice, { code: 'INVALID_FIELD' });
        const unknown = fixture.broker({ name: 'b3', endpoint: '127.0.0.1:3', dataDirectory: 'd3', heartbeats: false });
        unknown.send(undefined);
        await expectEnd(unknown, { code: 'INVALID_FIELD' });
        const zero = fixture.broker({ name: 'b4', endpoint: '127.0.0.1:4', dataDirectory: 'd4', heartbeats: false });
        zero.send({ $case: 'heartbeat', value: { sequence: 0 } });
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
        stream.write({ kind: { $case: 'heartbeat', value: { sequence: 1 } } });
        expect(await ended).toMatchObject({ code: 'INVALID_FIELD' });
      });

      test('a flood of heartbeats ends BACKPRESSURE, and others are undisturbed', async () => {
        const good = fixture.broker();
        const flooder = fixture.broker({ name: 'b2', endpoint: '127.0.0.1:2', dataDirectory: 'd2', heartbeats: false });
        for (let sequence = 1; sequence <= 12_000; sequence += 1) {
          flooder.heartbeat();
        }
        await eventuallyWithin(() => flooder.ended !== undefined, { deadlineMs: 20_000 });
        expect(flooder.ended).toMatchObject({ code: 'BACKPRESSURE' });
        expect(good.ended).toBeUndefined();
        await createTopic('orders', 1);
      }, 30_000);
    });
  });

  describe('HoldConsumerLease', () => {
    interface Holder {
      readonly stream: ClientDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>;
      readonly responses: NonNullable<HoldConsumerLeaseResponse['kind']>[];
      readonly held: (member: number) => number[];
      readonly ended: () => HermesError | undefined;
      readonly join: (member: number, consumer: string, group?: string) => void;
    }

    const holder = (client: CoordinationServiceClient = fixture.newCoordination()): Holder => {
      const stream = client.holdConsumerLease();
      const responses: NonNullable<HoldConsumerLeaseResponse['kind']>[] = [];
      let ended: HermesError | undefined;
      stream.on('data', ({ kind }: HoldConsumerLeaseResponse) => {
        responses.push(kind!);
        if (kind?.$case === 'revoke') {
          stream.write({ kind: { $case: 'released', value: kind.value } });
        }
      });
      stream.on('error', (error) => {
        ended = fromServiceError(error);
      });
      const grantsOf = (member: number): number[][] =>
        responses.flatMap((kind) =>
          kind.$case === 'grant' && kind.value.member === member && kind.value.changed
            ? [kind.value.assignments.map(({ partition }) => partition)]
            : [],
        );
      return {
        stream,
        responses,
        held: (member) => grantsOf(member).at(-1) ?? [],
        ended: () => ended,
        join: (member, consumer, group = 'g') => {
          const value = HoldConsumerLeaseRequest_Join.fromPartial({ member, topic: 'orders', group, consumer });
          stream.write({ kind: { $case: 'join', value } });
          stream.write({ kind: { $case: 'heartbeat', value: { sequence: member } } });
        },
      };
    };

    beforeEach(async () => {
      fixture.broker({ endpoint: '127.0.0.1:7' });
      await createTopic('orders', 4);
    });

    test('EXCLUSIVE partitions are dealt, handed over at a join, and told with the owner’s endpoint', async () => {
      await createGroup('orders', 'g', GroupMode.EXCLUSIVE);
      const one = holder();
      one.join(1, 'c1');
      await eventually(() => {
        expect(one.held(1)).toEqual([0, 1, 2, 3]);
      });
      const grant = one.responses.find((kind) => kind.$case === 'grant' && kind.value.changed)?.value as never as {
        assignments: { endpoint: string; epoch: number }[];
      };
      expect(grant.assignments[0]).toMatchObject({ endpoint: '127.0.0.1:7' });
      expect(grant.assignments[0]!.epoch).toBeGreaterThan(2 ** 24);
      one.join(2, 'c2');
      await eventually(() => {
        expect([one.held(1).length, one.held(2).length]).toEqual([2, 2]);
      });
      const { admin } = fixture;
      const busy = { topic: 'orders', group: 'g', etag: '', force: false };
      expect(await failureOf(admin.deleteGroup(busy))).toMatchObject({ code: 'RESOURCE_IN_USE' });
      expect(await failureOf(admin.deleteTopic({ topic: 'orders', etag: '', force: false }))).toMatchObject({
        code: 'RESOURCE_IN_USE',
      });
      await admin.deleteGroup({ ...busy, force: true });
      await eventually(() => {
        expect(one.ended()).toMatchObject({ code: 'GROUP_NOT_FOUND' });
      });
    });

    test('other modes give every consumer every partition; the mode changes only while nobody is subscribed', async () => {
      await createGroup('orders', 'g', GroupMode.SHARED);
      const [one, two] = [holder(), holder()];
      one.join(1, 'c1');
      two.join(1, 'c2');
      await eventually(() => {
        expect([one.held(1), two.held(1)]).toEqual([
          [0, 1, 2, 3],
          [0, 1, 2, 3],
        ]);
      });
      const { admin } = fixture;
      const { group } = await admin.getGroup({ topic: 'orders', group: 'g' });
      const change = { group: { ...group!, mode: GroupMode.EXCLUSIVE }, updateMask: ['mode'] };
      expect(await failureOf(admin.updateGroup(change))).toMatchObject({ code: 'RESOURCE_IN_USE' });
      one.stream.write({ kind: { $case: 'leave', value: { member: 1 } } });
      two.stream.write({ kind: { $case: 'leave', value: { member: 1 } } });
      await eventually(() => admin.updateGroup(change));
    });

    test('of two consumers of one name the later wins and the earlier ends FENCED', async () => {
      await createGroup('orders', 'g', GroupMode.EXCLUSIVE);
      const [one, two] = [holder(), holder()];
      one.join(1, 'c1');
      await eventually(() => one.held(1).length === 4);
      two.join(1, 'c1');
      await eventually(() => {
        expect(one.ended()).toMatchObject({ code: 'FENCED' });
      });
      await eventually(() => two.held(1).length === 4);
    });

    test('a stream without heartbeats ends after the TTL; garbage ends its own stream alone', async () => {
      await createGroup('orders', 'g', GroupMode.EXCLUSIVE);
      const silent = holder();
      silent.join(1, 'c1');
      await eventually(() => {
        expect(silent.ended()).toMatchObject({ code: 'PARTITION_MOVING', retryable: true });
      });
      const [unknown, empty, member, name] = [holder(), holder(), holder(), holder()];
      unknown.join(1, 'c1', 'none');
      empty.stream.write({});
      member.join(0, 'c1');
      name.join(1, 'x'.repeat(129));
      await eventually(() => {
        expect(unknown.ended()).toMatchObject({ code: 'GROUP_NOT_FOUND' });
      });
      for (const bad of [empty, member, name]) {
        await eventually(() => {
          expect(bad.ended()).toMatchObject({ code: 'INVALID_FIELD' });
        });
      }
    });
  });

  describe('WatchRoutes', () => {
    const watch = (...topics: string[]): { frames: WatchRoutesResponse[]; ended: () => HermesError | undefined } => {
      const stream: ClientReadableStream<WatchRoutesResponse> = fixture.newCoordination().watchRoutes({ topics });
      const frames: WatchRoutesResponse[] = [];
      let ended: HermesError | undefined;
      stream.on('data', (frame: WatchRoutesResponse) => {
        frames.push(frame);
      });
      stream.on('error', (error) => {
        ended = fromServiceError(error);
      });
      return { frames, ended: () => ended };
    };

    test('a snapshot, then deltas with growing versions; an unknown topic has no partitions', async () => {
      const { frames } = watch('orders');
      await eventually(() => frames.length === 1);
      expect(frames[0]).toMatchObject({ snapshot: true, topics: [{ topic: 'orders', partitionCount: 0, routes: [] }] });
      const broker = fixture.broker({ endpoint: '127.0.0.1:7' });
      await createTopic('orders', 2);
      await createTopic('other', 1);
      await eventually(() => frames.at(-1)?.topics[0]?.routes.every(({ endpoint }) => endpoint !== '') ?? false);
      expect(frames.at(-1)).toMatchObject({
        snapshot: false,
        topics: [{ topic: 'orders', partitionCount: 2, routes: [{ endpoint: '127.0.0.1:7', epoch: 1 }, { epoch: 1 }] }],
      });
      broker.stall();
      await eventually(() => frames.at(-1)?.topics[0]?.routes.every(({ endpoint }) => endpoint === '') ?? false);
      await fixture.admin.deleteTopic({ topic: 'orders', etag: '', force: false });
      await eventually(() => frames.at(-1)?.topics[0]?.partitionCount === 0);
      const versions = frames.map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      expect(frames.flatMap(({ topics }) => topics.map(({ topic }) => topic))).not.toContain('other');
    });

    test('all topics without a filter; versions grow over a restart, and routes are there at once', async () => {
      fixture.broker({ endpoint: '127.0.0.1:7' });
      await createTopic('orders', 1);
      const before = watch();
      await eventually(() => before.frames.length === 1);
      await fixture.stopServer();
      expect(before.ended()).toMatchObject({ code: 'DRAINING', retryable: true });
      await fixture.start();
      const after = watch();
      await eventually(() => after.frames.length === 1);
      expect(after.frames[0]).toMatchObject({
        snapshot: true,
        topics: [{ topic: 'orders', partitionCount: 1, routes: [{ endpoint: '127.0.0.1:7', epoch: 1 }] }],
      });
      expect(after.frames[0]!.version).toBeGreaterThan(before.frames.at(-1)!.version);
    });

    test('a bad topic name is INVALID_FIELD', async () => {
      const { ended } = watch('ok', 'not ok');
      await eventually(() => {
        expect(ended()).toMatchObject({ code: 'INVALID_FIELD' });
      });
    });
  });
});
