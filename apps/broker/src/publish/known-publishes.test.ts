import { type IdentifiedPublish, type MessageLog, type ProducerState, StoreError } from '@hermes/log';
import { silentLogger } from '@hermes/kit';
import { TaskGroup } from '@hermes/runtime';
import { KnownPublishes } from './known-publishes.js';

const SECOND = { producerId: 7, sequence: 2 };

/** What a store keeps of one lane. */
class Stored {
  snapshot: Uint8Array | undefined;
  rows: IdentifiedPublish[] = [];
  schedules: IdentifiedPublish[] = [];
  log = { firstOffset: 1, nextOffset: 1 };
  fails = false;
  saves = 0;

  append(sequence: number): number {
    const offset = this.log.nextOffset;
    this.log.nextOffset += 1;
    this.rows.push({
      ...{ identity: { producerId: 7, sequence }, lane: 0, offset, scheduleId: undefined },
      ...{ checksum: sequence, appendedAtMs: 1 },
    });
    return offset;
  }

  trim(offset: number): void {
    this.log.firstOffset = offset;
    this.rows = this.rows.filter((row) => row.offset! >= offset);
  }

  /** The next owner's. */
  open(): KnownPublishes {
    const state: ProducerState = {
      load: () => Promise.resolve(this.snapshot),
      save: (snapshot) => {
        if (this.fails) {
          return Promise.reject(new StoreError('unavailable', 'not reachable'));
        }
        this.snapshot = snapshot;
        this.saves += 1;
        return Promise.resolve({ kind: 'committed' });
      },
      appendedFrom: (_, offset, most) =>
        Promise.resolve(this.rows.filter((row) => row.offset! >= offset).slice(0, most)),
      scheduledFrom: (id, most) =>
        Promise.resolve(this.schedules.filter((row) => row.scheduleId! >= id).slice(0, most)),
    };
    return new KnownPublishes({
      ...{ state, lanes: [{ log: this.log as MessageLog }], nextScheduleId: () => 1, nowMs: () => 5 },
      ...{ tasks: new TaskGroup(() => undefined), logger: silentLogger },
      onFenced: () => undefined,
    });
  }

  /** Claims, appends and ends. */
  publish(known: KnownPublishes, sequence: number): void {
    const bounds = known.begin();
    const identity = { producerId: 7, sequence };
    expect(known.window!.claim(identity, sequence, 5)).toEqual({ kind: 'new' });
    known.window!.stored(identity, { lane: 0, offset: this.append(sequence) }, 5);
    known.end(bounds, false);
  }
}

describe('KnownPublishes', () => {
  let stored: Stored;
  beforeEach(() => {
    stored = new Stored();
  });

  const placeOf = async (sequence: number): Promise<unknown> => {
    const next = stored.open();
    await next.load();
    return next.window?.claim({ producerId: 7, sequence }, sequence, 5);
  };

  test('a next owner knows what was stored without a snapshot, and what is scheduled', async () => {
    const known = stored.open();
    await known.load();
    stored.publish(known, 1);
    stored.schedules.push({ ...stored.rows[0]!, identity: SECOND, checksum: 2, offset: undefined, scheduleId: 4 });
    expect(await placeOf(1)).toEqual({ kind: 'repeated', place: { lane: 0, offset: 1 } });
    expect(await placeOf(2)).toEqual({ kind: 'repeated', place: { scheduleId: 4 } });
  });

  test('nothing that only rows tell is dropped before it is in a snapshot, also if another owner wrote it', async () => {
    const known = stored.open();
    await known.load();
    stored.publish(known, 1);
    const next = stored.open();
    stored.fails = true;
    expect(await next.keepBelow(0, 2)).toBe(false);
    stored.fails = false;
    expect(await next.keepBelow(0, 2)).toBe(true);
    stored.trim(2);
    expect(await placeOf(1)).toMatchObject({ kind: 'repeated' });
    expect(await next.keepBelow(0, 2)).toBe(true);
    expect(stored.saves).toBe(1);
  });

  test('a partition without such publishes writes no snapshot', async () => {
    stored.log.nextOffset = 100_000;
    const known = stored.open();
    expect(await known.keepBelow(0, 50)).toBe(true);
    await known.save();
    expect(stored.saves).toBe(0);
  });

  test('no snapshot passes over what is under way, or ended nobody knows how', async () => {
    const known = stored.open();
    await known.load();
    const bounds = known.begin();
    known.window?.claim({ producerId: 7, sequence: 1 }, 1, 5);
    stored.append(1);
    await known.save();
    expect(await placeOf(1)).toMatchObject({ kind: 'repeated' });
    known.window?.unknown({ producerId: 7, sequence: 1 });
    known.end(bounds, true);
    const before = stored.saves;
    await known.save();
    expect(stored.saves).toBe(before);
    expect(await known.keepBelow(0, 2)).toBe(false);
  });

  test('writes one by itself when a next owner would have much to read', async () => {
    const known = stored.open();
    await known.load();
    for (let sequence = 1; sequence <= 20_001; sequence += 1) {
      stored.publish(known, sequence);
    }
    await known.save();
    expect(stored.saves).toBeGreaterThan(0);
    stored.rows = stored.rows.slice(-2);
    expect(await placeOf(20_000)).toMatchObject({ kind: 'repeated' });
    expect(await placeOf(19_000)).toMatchObject({ kind: 'repeated' });
  });
});
