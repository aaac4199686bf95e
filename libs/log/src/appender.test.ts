import { FakeClock, SeededRandom } from '@hermes/testing';

import { MemoryLog } from '../test/memory-log.js';
import type { NewRecord } from './append-batch.js';
import { Appender, type AppenderOptions } from './appender.js';
import type { AppenderBounds } from './append-queue.js';
import type { AppendResult } from './append-result.js';
import { ByteBudget } from './byte-budget.js';
import type { DefiniteAppendOutcome } from './message-log.js';
import { StoreError } from './store-error.js';
import { TailCache } from './tail-cache.js';

const FOREVER = Number.POSITIVE_INFINITY;

function records(count: number, bytes = 10): NewRecord[] {
  return Array.from({ length: count }, () => ({ record: Buffer.alloc(bytes), keyHash: 1 }));
}

interface Fixture {
  readonly log: MemoryLog;
  readonly clock: FakeClock;
  readonly budget: ByteBudget;
  readonly appender: Appender;
  readonly seen: string[];
  /** Lets everything run that is ready. */
  readonly turn: () => Promise<void>;
}

function make(bounds: Partial<AppenderBounds> = {}, more: Pick<AppenderOptions, 'isOwner'> = {}): Fixture {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const budget = new ByteBudget(10_000);
  const seen: string[] = [];
  const appender = new Appender({
    log,
    tail: new TailCache(1024 * 1024).openLane(),
    budget,
    clock,
    random: new SeededRandom(1),
    onAppended: (block) => seen.push(`block ${block.from}`),
    onFenced: (epoch) => seen.push(`fenced ${epoch}`),
    bounds,
    ...more,
  });
  const turn = async (): Promise<void> => {
    // The first lets answers arrive, which arm the second.
    for (let pass = 0; pass < 2; pass += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { log, clock, budget, appender, seen, turn };
}

describe('Appender', () => {
  it('has one batch under way while the next one gathers, in the order of the calls', async () => {
    const { log, appender, seen, turn } = make();
    const first = [appender.append(records(2), FOREVER), appender.append(records(1), FOREVER)];
    await turn();
    const later = [appender.append(records(3), FOREVER), appender.append(records(1), FOREVER)];
    await turn();
    expect(log.pending.map(({ batch }) => batch.count)).toEqual([3]);
    log.store();
    expect((await Promise.all(first)).map((result) => 'firstOffset' in result && result.firstOffset)).toEqual([0, 2]);
    await turn();
    expect(log.pending.map(({ batch }) => batch.count)).toEqual([4]);
    log.store();
    expect((await Promise.all(later)).map((result) => 'firstOffset' in result && result.firstOffset)).toEqual([3, 6]);
    expect(seen).toEqual(['block 0', 'block 3']);
    expect(appender.counters).toMatchObject({ batches: 2, records: 7 });
  });

  it('bounds a batch in records and in bytes; a call above them goes alone', async () => {
    const { log, appender, turn } = make({ batchRecordsMax: 3, batchBytesMax: 50 });
    for (const count of [2, 2, 1, 9, 1]) {
      void appender.append(records(count), FOREVER);
    }
    const counts: number[] = [];
    await turn();
    while (log.pending.length > 0) {
      counts.push(log.store().count);
      await turn();
    }
    expect(counts).toEqual([2, 3, 9, 1]);
  });

  it('answers backpressure when its queue or the shared budget is full, and says when there is room', async () => {
    const { log, appender, budget, turn } = make({ queueRecordsMax: 4 });
    const kept = appender.append(records(4), FOREVER);
    expect(await appender.append(records(1), FOREVER)).toEqual({ kind: 'backpressure', retryAfterMs: 100 });
    const room = appender.room();
    await turn();
    log.store();
    await room;
    expect((await kept).kind).toBe('appended');
    budget.take(9_995);
    void appender.append(records(1, 5), FOREVER);
    expect((await appender.append(records(1), FOREVER)).kind).toBe('backpressure');
    expect(appender.counters.backpressured).toBe(2);
  });

  it('drops what has passed its deadline before storage work', async () => {
    const { log, clock, appender, turn } = make();
    const late = appender.append(records(1), clock.monotonicMs());
    const early = appender.append(records(2), FOREVER);
    await turn();
    expect(await late).toEqual({ kind: 'expired' });
    expect(log.store().count).toBe(2);
    expect((await early).kind).toBe('appended');
  });

  it('fails everything that waits, and all that comes, once it is fenced', async () => {
    const { log, appender, budget, seen, turn } = make();
    const underWay = appender.append(records(1), FOREVER);
    await turn();
    const waiting = appender.append(records(1), FOREVER);
    log.answer({ kind: 'fenced', epoch: 9 });
    const fenced = { kind: 'fenced', epoch: 9 };
    expect(await Promise.all([underWay, waiting, appender.append(records(1), FOREVER)])).toEqual([
      fenced,
      fenced,
      fenced,
    ]);
    expect([seen, budget.used, appender.pendingBytes]).toEqual([['fenced 9'], 0, 0]);
  });

  it('goes on after a full disk and after a refusal', async () => {
    const { log, appender, turn } = make();
    const full = appender.append(records(1), FOREVER);
    await turn();
    log.answer({ kind: 'full' });
    expect(await full).toEqual({ kind: 'full' });
    const refused = appender.append(records(1), FOREVER);
    await turn();
    log.fail(new StoreError('closed', 'closed'));
    expect(await refused).toMatchObject({ kind: 'refused', error: { kind: 'closed' } });
    const good = appender.append(records(1), FOREVER);
    await turn();
    log.store();
    expect((await good).kind).toBe('appended');
  });

  it('uses no offset while an outcome is in doubt', async () => {
    const { log, appender, turn } = make();
    const doubtful = appender.append(records(1), FOREVER);
    await turn();
    let resolve!: (outcome: DefiniteAppendOutcome) => void;
    const resolution = new Promise<DefiniteAppendOutcome>((onValue) => (resolve = onValue));
    const batch = log.answer({ kind: 'inDoubt', resolution });
    const next = appender.append(records(1), FOREVER);
    await turn();
    expect(log.pending).toHaveLength(0);
    resolve({ kind: 'appended', block: log.place(batch) });
    expect(await doubtful).toMatchObject({ kind: 'appended', firstOffset: 0 });
    await turn();
    log.store();
    expect(await next).toMatchObject({ kind: 'appended', firstOffset: 1 });
  });

  it('answers unknown, and takes nothing more, if its store was closed before it knew', async () => {
    const { log, appender, turn } = make();
    const doubtful = appender.append(records(1), FOREVER);
    await turn();
    const waiting = appender.append(records(1), FOREVER);
    log.answer({ kind: 'inDoubt', resolution: Promise.reject(new StoreError('closed', 'closed')) });
    expect(await doubtful).toEqual({ kind: 'unknown' });
    const later = appender.append(records(1), FOREVER);
    expect((await Promise.all([waiting, later])).map(({ kind }) => kind)).toEqual(['refused', 'refused']);
    expect(log.pending).toHaveLength(0);
  });

  it('refuses what does not fit into one append of its store, alone, and gathers no batch above that', async () => {
    const { log, appender, turn } = make();
    log.bytesMax = 45;
    const kinds = [10, 10, 46, 30, 10].map((bytes) => appender.append(records(1, bytes), FOREVER));
    const counts: number[] = [];
    await turn();
    while (log.pending.length > 0) {
      counts.push(log.store().count);
      await turn();
    }
    expect((await Promise.all(kinds)).map(({ kind }) => kind)).toEqual([
      ...['appended', 'appended', 'refused', 'appended', 'appended'],
    ]);
    expect(counts).toEqual([2, 2]);
  });

  it('refuses nothing else with what its store does not take any more, and keeps the order', async () => {
    const { log, appender, budget, turn } = make();
    const chain = { broken: false };
    const first = [10, 46, 30].map((bytes) => appender.append(records(1, bytes), FOREVER, chain));
    const several = appender.append([...records(3, 20), ...records(1, 50), ...records(1, 40)], FOREVER, chain);
    await turn();
    const last = appender.append(records(1), FOREVER, chain);
    log.bytesMax = 45;
    log.answer({ kind: 'refused', error: new StoreError('tooLarge', 'lowered') });
    const sizes: number[] = [];
    for (let pass = 0; pass < 20; pass += 1) {
      await turn();
      if (log.pending.length > 0) {
        sizes.push(log.store().recordBytes);
      }
    }
    expect(sizes).toEqual([10, 30, 40, 20, 40, 10]);
    expect(await Promise.all(first)).toMatchObject([
      { kind: 'appended', firstOffset: 0 },
      { kind: 'refused', error: { kind: 'tooLarge' } },
      { kind: 'appended', firstOffset: 1 },
    ]);
    expect(await several).toMatchObject({
      kind: 'divided',
      parts: [
        { records: 2, result: { kind: 'appended', firstOffset: 2 } },
        { records: 1, result: { kind: 'appended', firstOffset: 4 } },
        { records: 1, result: { kind: 'refused', error: { kind: 'tooLarge' } } },
        { records: 1, result: { kind: 'appended', firstOffset: 5 } },
      ],
    });
    expect(await last).toMatchObject({ kind: 'appended', firstOffset: 6 });
    expect([budget.used, appender.pendingRecords, appender.pendingBytes]).toEqual([0, 0, 0]);
  });

  it('tries no part of a call behind one that is not stored', async () => {
    const { log, appender, turn } = make();
    const several = appender.append(records(3, 20), FOREVER);
    log.bytesMax = 20;
    await turn();
    log.store();
    await turn();
    log.answer({ kind: 'full' });
    const results = (await several) as Extract<AppendResult, { kind: 'divided' }>;
    expect(results.parts.map(({ result }) => result.kind)).toEqual(['appended', 'full', 'expired']);
  });

  it('refuses as a whole what is too large for its store, and by its own bound is not', async () => {
    const { log, appender, turn } = make();
    const calls = [appender.append(records(1), FOREVER), appender.append(records(1), FOREVER)];
    await turn();
    log.answer({ kind: 'refused', error: new StoreError('tooLarge', 'lowered') });
    expect((await Promise.all(calls)).map(({ kind }) => kind)).toEqual(['refused', 'refused']);
  });

  it('acknowledges nothing that a store without a fence has taken from an owner that is none any more', async () => {
    let isOwner = true;
    const { log, appender, seen, turn } = make({}, { isOwner: () => isOwner });
    const first = appender.append(records(1), FOREVER);
    await turn();
    log.store();
    expect((await first).kind).toBe('appended');
    const late = appender.append(records(1), FOREVER);
    await turn();
    const waiting = appender.append(records(1), FOREVER);
    isOwner = false;
    log.store();
    expect((await Promise.all([late, waiting])).map(({ kind }) => kind)).toEqual(['unknown', 'refused']);
    expect(seen).toEqual(['block 0']);
  });

  it('flushes what it has before it is closed, and takes nothing more', async () => {
    const { log, appender, turn } = make();
    const kept = appender.append(records(1), FOREVER);
    const closed = appender.close();
    expect(await appender.append(records(1), FOREVER)).toMatchObject({ kind: 'refused', error: { kind: 'closed' } });
    await turn();
    log.store();
    await closed;
    expect((await kept).kind).toBe('appended');
  });

  it('answers unknown for what is under way when it is abandoned, and refuses what waits', async () => {
    const { log, appender, turn } = make();
    const results: Promise<AppendResult>[] = [appender.append(records(1), FOREVER)];
    await turn();
    results.push(appender.append(records(1), FOREVER));
    appender.abandon();
    expect((await Promise.all(results)).map(({ kind }) => kind)).toEqual(['unknown', 'refused']);
    log.store();
    await turn();
    expect(appender.pendingBytes).toBe(0);
  });
});
