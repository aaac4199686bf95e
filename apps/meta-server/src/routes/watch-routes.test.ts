import { type ClientReadableStream } from '@grpc/grpc-js';
import { fromServiceError, type HermesError, type WatchRoutesResponse } from '@hermes/contracts';
import { eventually as eventuallyWithin } from '@hermes/testing';

import { MetaServerFixture } from '../../test/meta-server-fixture.js';

/** Below Jest's own limit, so that what is not true is told. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => eventuallyWithin(check, { deadlineMs: 3_000 });

describe('WatchRoutes', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

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
    await fixture.createTopic('orders', 2);
    await fixture.createTopic('other', 1);
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
    await fixture.createTopic('orders', 1);
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
