import { entryAt, gone, inFlight } from '../test/entries.js';
import { type Entry, ENTRY_STATE } from './entry.js';
import { ExclusiveSequencer } from './exclusive-sequencer.js';

function take(sequencer: ExclusiveSequencer, max = Number.POSITIVE_INFINITY): number[] {
  const offsets: number[] = [];
  for (let entry = sequencer.peek(); entry !== undefined && offsets.length < max; entry = sequencer.peek()) {
    sequencer.take(entry);
    inFlight(entry);
    offsets.push(entry.offset);
  }
  return offsets;
}

function fill(sequencer: ExclusiveSequencer, count: number): Entry[] {
  return Array.from({ length: count }, (_, offset) => {
    const entry = entryAt(offset);
    sequencer.add(entry);
    return entry;
  });
}

/** A failure that waits for another attempt; gives the offsets that it voids. */
function fail(sequencer: ExclusiveSequencer, entry: Entry, barrier = true): number[] {
  const voided = sequencer.fail(entry, barrier);
  entry.state = ENTRY_STATE.waiting;
  return voided.map((other) => {
    other.state = ENTRY_STATE.ready;
    return other.offset;
  });
}

const settle = (sequencer: ExclusiveSequencer, entry: Entry | undefined): void => {
  sequencer.settled(gone(entry!));
};

describe('ExclusiveSequencer', () => {
  it('takes in what is in flight already: a failure voids what is behind it, a barrier lets nothing pass', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = [0, 1, 2].map((offset) => inFlight(entryAt(offset)));
    entries.forEach((entry) => {
      sequencer.add(entry);
    });
    expect(fail(sequencer, entries[0]!)).toEqual([1, 2]);
    const other = new ExclusiveSequencer();
    const barrier = inFlight(entryAt(0));
    barrier.barrier = true;
    other.add(barrier);
    other.add(entryAt(1));
    expect(take(other)).toEqual([]);
    settle(other, barrier);
    expect(take(other)).toEqual([1]);
  });

  it('gives messages in the order of their offsets', () => {
    const sequencer = new ExclusiveSequencer();
    fill(sequencer, 4);
    expect(take(sequencer)).toEqual([0, 1, 2, 3]);
  });

  it('voids what is in flight behind a failure, and only that', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = fill(sequencer, 6);
    take(sequencer, 5);
    entries[3]!.state = ENTRY_STATE.settling;
    expect(fail(sequencer, entries[1]!)).toEqual([2, 4]);
    expect(take(sequencer)).toEqual([]);
  });

  it('lets nothing pass a failed message before it is settled, also while it is tried again', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = fill(sequencer, 3);
    take(sequencer);
    fail(sequencer, entries[0]!);
    entries[0]!.state = ENTRY_STATE.ready;
    expect(take(sequencer)).toEqual([0]);
    expect([sequencer.isBarred(0), sequencer.isBarred(1)]).toEqual([false, true]);
    settle(sequencer, entries[0]);
    expect([sequencer.isBarred(1), take(sequencer)]).toEqual([false, [1, 2]]);
  });

  it('lets the others follow at once behind a message that was only given back', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = fill(sequencer, 3);
    take(sequencer);
    expect(fail(sequencer, entries[1]!, false)).toEqual([2]);
    entries[1]!.state = ENTRY_STATE.ready;
    expect(take(sequencer)).toEqual([1, 2]);
    expect(sequencer.isBarred(2)).toBe(false);
  });

  it('makes a voided barrier wait for the failure before it, and bar again when it is its turn', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = fill(sequencer, 3);
    take(sequencer);
    fail(sequencer, entries[1]!);
    entries[1]!.state = ENTRY_STATE.ready;
    expect(take(sequencer)).toEqual([1]);
    expect(fail(sequencer, entries[0]!)).toEqual([1]);
    entries[0]!.state = ENTRY_STATE.ready;
    expect(take(sequencer)).toEqual([0]);
    settle(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([1]);
    settle(sequencer, entries[1]);
    expect(take(sequencer)).toEqual([2]);
  });

  it('waits for a settle behind a failure that is being written', () => {
    const sequencer = new ExclusiveSequencer();
    const entries = fill(sequencer, 3);
    take(sequencer);
    entries[1]!.state = ENTRY_STATE.settling;
    fail(sequencer, entries[0]!, false);
    entries[0]!.state = ENTRY_STATE.ready;
    expect(take(sequencer)).toEqual([0]);
    settle(sequencer, entries[1]);
    expect(take(sequencer)).toEqual([2]);
  });

  it('keeps its place while it forgets tens of thousands of settled messages', () => {
    const sequencer = new ExclusiveSequencer();
    const seen: number[] = [];
    for (let round = 0; round < 200; round += 1) {
      const batch = Array.from({ length: 100 }, (_, index) => entryAt(round * 100 + index));
      batch.forEach((entry) => {
        sequencer.add(entry);
      });
      seen.push(...take(sequencer));
      batch.reverse().forEach((entry) => {
        settle(sequencer, entry);
      });
    }
    expect(seen).toEqual(Array.from({ length: 20_000 }, (_, offset) => offset));
  });
});
