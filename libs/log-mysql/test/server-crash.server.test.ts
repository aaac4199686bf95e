import { Appender, ByteBudget, type MessageLog, type PartitionStore, TailCache } from '@hermes/log';
import { systemClock, systemRandom } from '@hermes/runtime';
import {
  eventually,
  type OwnSqlServer,
  SHARED_SERVER_DEADLINE_MS,
  SQL_SERVER_KINDS,
  startMysql,
} from '@hermes/testing';

import { laneOf, StoreFixture } from './store-fixture.js';

// A server is started several times.
jest.setTimeout(180_000);

const KILLS = 5;
const FOREVER = Number.POSITIVE_INFINITY;

/** A server that is away is refused at once: who asks again without a pause keeps timers and sockets from running. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each(SQL_SERVER_KINDS)('a %s that is killed in the middle of writes', (kind) => {
  let server: OwnSqlServer;
  let fixture: StoreFixture;
  beforeAll(async () => {
    server = await startMysql(kind, { settings: { 'max-allowed-packet': '1M' } });
    fixture = await StoreFixture.make(server);
  }, SHARED_SERVER_DEADLINE_MS);
  afterAll(async () => {
    await fixture.dispose();
    await server.stop();
  });

  /** Appends and settles until `isDone`; what was acknowledged, by offset, and the highest floor. */
  const write = async (
    store: PartitionStore,
    isDone: () => boolean,
  ): Promise<{ readonly acknowledged: Map<number, string>; readonly floor: () => number }> => {
    const acknowledged = new Map<number, string>();
    let floor = 0;
    const appending = async (): Promise<void> => {
      for (let number = 0; !isDone(); number += 1) {
        const text = `${store.partition}:${number}`;
        const answer = await laneOf(store).append(fixture.batch(text));
        const outcome = answer.kind === 'inDoubt' ? await answer.resolution : answer;
        if (outcome.kind === 'appended') {
          acknowledged.set(outcome.block.from, text);
        } else {
          await turn();
        }
      }
    };
    const settling = async (): Promise<void> => {
      for (let next = 1; !isDone();) {
        const cursor = { lane: 0, floor: next, settled: [] };
        const answer = await store.groupState.commit([{ kind: 'cursor', groupId: 1, cursor }]);
        const outcome = answer.kind === 'inDoubt' ? await answer.resolution : answer;
        if (outcome.kind === 'committed') {
          floor = next;
          next += 1;
        } else {
          await turn();
        }
      }
    };
    await store.groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
    await Promise.all([appending(), settling()]);
    return { acknowledged, floor: () => floor };
  };

  it(`has lost nothing acknowledged, ${KILLS} times, and is used again without a new opening`, async () => {
    const engine = await fixture.engine();
    const stores = await Promise.all([0, 1, 2].map((partition) => fixture.opened(engine, { partition })));
    let isDone = false;
    const writing = stores.map((store) => write(store, () => isDone));
    const ends = (): number[] => stores.map((store) => laneOf(store).nextOffset);
    for (let number = 0; number < KILLS; number += 1) {
      const before = ends();
      await eventually(() => ends().every((end, index) => end > before[index]! + 20), { deadlineMs: 60_000 });
      await server.kill();
      await server.restart();
    }
    const before = ends();
    await eventually(() => ends().every((end, index) => end > before[index]! + 20), { deadlineMs: 60_000 });
    isDone = true;
    const told = await Promise.all(writing);
    await fixture.reconnect();
    for (const [partition, { acknowledged, floor }] of told.entries()) {
      const rows = await fixture.rows(`t7_p${partition}_l0`);
      expect(rows.map(({ offset }) => offset)).toEqual(rows.map((_, index) => index));
      const messages = rows.filter(({ kind }) => kind === 0);
      expect(messages.map(({ offset, text }) => [offset, text])).toEqual([...acknowledged]);
      expect((await stores[partition]!.groupState.load(1))?.lanes[0]?.floor).toBe(floor());
    }
  });

  it('takes a hundred good records and refuses the one that its packets cannot hold', async () => {
    const engine = await fixture.engine();
    const log: MessageLog = laneOf(await fixture.opened(engine, { partition: 9 }));
    const appender = new Appender({
      ...{ log, tail: new TailCache(1024 * 1024).openLane(), budget: new ByteBudget(64 * 1024 * 1024) },
      ...{ clock: systemClock, random: systemRandom },
    });
    const sizes = Array.from({ length: 101 }, (_, index) => (index === 50 ? 1024 * 1024 : 50_000));
    const results = await Promise.all(
      sizes.map((size) => appender.append([{ record: Buffer.alloc(size, 'x'), keyHash: 0 }], FOREVER)),
    );
    expect(results.filter(({ kind }) => kind === 'refused')).toHaveLength(1);
    expect(results[50]).toMatchObject({ kind: 'refused', error: { details: { bytes: 1024 * 1024 } } });
    expect(log.nextOffset).toBe(1 + 100);
    const read: number[] = [];
    for (let next = 0; next < log.nextOffset;) {
      const block = await log.read(next, { maxRecords: 1_000, maxBytes: 120_000 });
      expect(block.recordBytes).toBeLessThanOrEqual(120_000);
      read.push(...Array.from({ length: block.count }, (_, index) => block.bytes(index)));
      next = block.nextOffset;
    }
    expect(read).toEqual(sizes.filter((size) => size === 50_000));
  });
});
