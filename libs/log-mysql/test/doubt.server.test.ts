import type { GroupChange } from '@hermes/delivery';
import type {
  AppendOutcome,
  CommitOutcome,
  DefiniteAppendOutcome,
  DefiniteCommitOutcome,
  PartitionStore,
} from '@hermes/log';
import { MysqlProxy, SHARED_SERVER_DEADLINE_MS, sharedMysql, SQL_SERVER_KINDS, type SqlServer } from '@hermes/testing';

import { LaneWriter } from '../src/lane-writer.js';
import { LANE_TABLE, laneOf, StoreFixture } from './store-fixture.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

const APPEND = new RegExp(`INSERT INTO ${LANE_TABLE} `);
const COMMIT = /COMMIT$/;

const CREATED: GroupChange = { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] };

function floor(value: number): GroupChange {
  return { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: value, settled: [] } };
}

async function definite(outcome: AppendOutcome): Promise<DefiniteAppendOutcome> {
  return outcome.kind === 'inDoubt' ? outcome.resolution : outcome;
}

async function definiteCommit(outcome: CommitOutcome): Promise<DefiniteCommitOutcome> {
  return outcome.kind === 'inDoubt' ? outcome.resolution : outcome;
}

describe.each(SQL_SERVER_KINDS)('what is in doubt on %s', (kind) => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await sharedMysql(kind);
  }, SHARED_SERVER_DEADLINE_MS);

  let fixture: StoreFixture;
  let proxy: MysqlProxy;
  let store: PartitionStore;

  beforeEach(async () => {
    fixture = await StoreFixture.make(server);
    proxy = await MysqlProxy.start(server);
    const engine = await fixture.engine({ port: proxy.port, bounds: { callDeadlineMs: 3_000 } });
    store = await fixture.opened(engine);
    await laneOf(store).append(fixture.batch('first'));
  });

  afterEach(async () => {
    await fixture.dispose();
    proxy.close();
  });

  const texts = async (): Promise<string[]> =>
    (await fixture.rows()).filter(({ kind }) => kind === 0).map(({ text }) => text);

  /** Appends a batch whose statement meets a fault; what became of it. */
  const append = async (): Promise<DefiniteAppendOutcome> => {
    const outcome = await laneOf(store).append(fixture.batch('a', 'b'));
    expect(outcome.kind).toBe('inDoubt');
    return definite(outcome);
  };

  describe('an append', () => {
    it('whose answer is lost is found stored, once', async () => {
      proxy.fault(APPEND, 'dropReply');
      expect((await append()).kind).toBe('appended');
      expect((await laneOf(store).append(fixture.batch('next'))).kind).toBe('appended');
      expect(await texts()).toEqual(['first', 'a', 'b', 'next']);
    });

    it('that is lost on its way is sent again', async () => {
      proxy.fault(APPEND, 'cut');
      expect((await append()).kind).toBe('appended');
      expect(await texts()).toEqual(['first', 'a', 'b']);
    });

    it('that is never answered is in doubt at its deadline, and resolved on a new connection', async () => {
      proxy.fault(APPEND, 'stall');
      expect((await append()).kind).toBe('appended');
      expect(await texts()).toEqual(['first', 'a', 'b']);
    });

    it('that runs long after its client gave up is stored once', async () => {
      const held = proxy.fault(APPEND, 'hold');
      expect((await append()).kind).toBe('appended');
      expect((await laneOf(store).append(fixture.batch('next'))).kind).toBe('appended');
      await held.release();
      expect(await texts()).toEqual(['first', 'a', 'b', 'next']);
    });

    it('that the server refuses meanwhile is made impossible by a void record', async () => {
      const held = proxy.fault(APPEND, 'hold');
      proxy.fault(APPEND, 'refuse');
      expect(await append()).toMatchObject({ kind: 'refused', error: { kind: 'unavailable' } });
      await held.release();
      expect((await laneOf(store).append(fixture.batch('next'))).kind).toBe('appended');
      expect(await texts()).toEqual(['first', 'next']);
      expect((await fixture.rows()).map(({ kind }) => kind)).toEqual([1, 0, 2, 0]);
    });

    it('whose void is in doubt too has one outcome in the end', async () => {
      const held = proxy.fault(APPEND, 'hold');
      proxy.fault(APPEND, 'refuse');
      proxy.fault(/INSERT INTO t7_p3_l0 .*VALUES/s, 'dropReply');
      expect((await append()).kind).toBe('refused');
      await held.release();
      expect((await laneOf(store).append(fixture.batch('next'))).kind).toBe('appended');
      expect(await texts()).toEqual(['first', 'next']);
    });

    it('is fenced if a newer owner comes meanwhile, and never stored', async () => {
      const held = proxy.fault(APPEND, 'hold');
      proxy.fault(APPEND, 'cut');
      const outcome = await laneOf(store).append(fixture.batch('a'));
      const fresh = await fixture.opened(await fixture.engine(), { epoch: 2, created: true });
      const end = await definite(outcome);
      await held.release();
      await laneOf(fresh).append(fixture.batch('new'));
      expect(await texts()).toEqual(end.kind === 'appended' ? ['first', 'a', 'new'] : ['first', 'new']);
      expect(['appended', 'fenced']).toContain(end.kind);
    });

    it('stays unknown if the store is closed before the server answers', async () => {
      proxy.fault(APPEND, 'cut');
      const outcome = await laneOf(store).append(fixture.batch('a'));
      proxy.retarget({ host: '127.0.0.1', port: 1 });
      proxy.cutAll();
      const resolution = outcome.kind === 'inDoubt' ? outcome.resolution : Promise.resolve(outcome);
      const rejected = expect(resolution).rejects.toMatchObject({ kind: 'closed' });
      await store.close();
      await rejected;
    });

    it('is told wrongly by an implementation that trusts an empty read-back', async () => {
      // The mutant: what is not found was not stored.
      jest.spyOn(LaneWriter.prototype, 'resolve').mockImplementation(async (insert) => {
        const found = (await fixture.rows()).some(({ appendId }) => appendId === insert.appendId);
        return found ? { kind: 'stored' } : { kind: 'failed', error: new Error('not found') as never };
      });
      try {
        const held = proxy.fault(APPEND, 'hold');
        expect((await append()).kind).toBe('refused');
        await held.release();
        expect(await texts()).toEqual(['first', 'a', 'b']);
      } finally {
        jest.restoreAllMocks();
      }
    });
  });

  describe('a settle', () => {
    beforeEach(async () => {
      expect(await store.groupState.commit([CREATED])).toEqual({ kind: 'committed' });
    });

    const stored = async (): Promise<number | undefined> => (await store.groupState.load(1))?.lanes[0]?.floor;

    it('whose COMMIT was done but not answered is found committed', async () => {
      proxy.fault(COMMIT, 'dropReply');
      const outcome = await store.groupState.commit([floor(1)]);
      expect(outcome.kind).toBe('inDoubt');
      expect(await definiteCommit(outcome)).toEqual({ kind: 'committed' });
      expect(await stored()).toBe(1);
      expect(await store.groupState.commit([floor(2)])).toEqual({ kind: 'committed' });
    });

    it('whose COMMIT was lost on its way is found absent, and can be written again', async () => {
      proxy.fault(COMMIT, 'cut');
      const outcome = await store.groupState.commit([floor(1)]);
      expect(await definiteCommit(outcome)).toMatchObject({ kind: 'refused', error: { kind: 'unavailable' } });
      expect(await stored()).toBe(0);
      expect(await store.groupState.commit([floor(1)])).toEqual({ kind: 'committed' });
      expect(await stored()).toBe(1);
    });

    it('whose transaction stays open at the server is ended there, so that its COMMIT comes to nothing', async () => {
      const held = proxy.fault(COMMIT, 'hold');
      const outcome = await store.groupState.commit([floor(1)]);
      const next = store.groupState.commit([floor(2)]);
      expect(await definiteCommit(outcome)).toMatchObject({ kind: 'refused' });
      expect(await next).toEqual({ kind: 'committed' });
      await held.release();
      expect(await stored()).toBe(2);
    });

    it('that is cut before its COMMIT is refused, and holds nobody up for long', async () => {
      proxy.fault(/UPDATE group_cursor SET floor/, 'hold');
      expect(await store.groupState.commit([floor(1)])).toMatchObject({ kind: 'refused' });
      const outcomes = [await store.groupState.commit([floor(2)]), await store.groupState.commit([floor(2)])];
      expect(outcomes.at(-1)).toEqual({ kind: 'committed' });
      expect(await stored()).toBe(2);
    });

    it('holds up no closing while the server is away, and what waits for it is refused', async () => {
      proxy.fault(COMMIT, 'cut');
      const outcome = await store.groupState.commit([floor(1)]);
      proxy.retarget({ host: '127.0.0.1', port: 1 });
      proxy.cutAll();
      const waiting = expect(store.groupState.commit([floor(2)])).rejects.toMatchObject({ kind: 'closed' });
      const resolution = outcome.kind === 'inDoubt' ? outcome.resolution : Promise.resolve(outcome);
      const unknown = expect(resolution).rejects.toMatchObject({ kind: 'closed' });
      await store.close();
      await Promise.all([waiting, unknown]);
    });

    it('of an owner that stalls in the middle does not hold up the next one', async () => {
      const held = proxy.fault(COMMIT, 'hold');
      const stale = store.groupState.commit([floor(1)]);
      await held.fired;
      proxy.retarget({ host: '127.0.0.1', port: 1 });
      const fresh = await fixture.opened(await fixture.engine(), { epoch: 2, created: true });
      expect(await fresh.groupState.commit([floor(5)])).toEqual({ kind: 'committed' });
      await held.release();
      proxy.retarget(server);
      expect(await definiteCommit(await stale)).toEqual({ kind: 'fenced', epoch: 2 });
      expect((await fresh.groupState.load(1))?.lanes[0]?.floor).toBe(5);
    });
  });
});
