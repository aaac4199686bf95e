import { entryAt, gone, inFlight } from '../test/entries.js';
import { type Entry, ENTRY_STATE } from './entry.js';
import { KeyedSequencer } from './keyed-sequencer.js';

const [A, B] = [7, 8];

/** Takes everything that may go. */
function take(sequencer: KeyedSequencer): number[] {
  const offsets: number[] = [];
  for (let entry = sequencer.peek(); entry !== undefined; entry = sequencer.peek()) {
    sequencer.take(entry);
    inFlight(entry);
    offsets.push(entry.offset);
  }
  return offsets;
}

function add(sequencer: KeyedSequencer, keyHashes: readonly number[]): Entry[] {
  return keyHashes.map((keyHash, offset) => {
    const entry = entryAt(offset, { keyHash });
    sequencer.add(entry);
    return entry;
  });
}

const settle = (sequencer: KeyedSequencer, entry: Entry | undefined): void => {
  sequencer.settled(gone(entry!));
};

function comeBack(sequencer: KeyedSequencer, entry: Entry | undefined): void {
  entry!.state = ENTRY_STATE.ready;
  sequencer.comeBack(entry!);
}

describe('KeyedSequencer', () => {
  it('lets one message of a key go at a time, and those without a key freely', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    const entries = add(sequencer, [A, A, 0, B, 0, A]);
    expect(take(sequencer)).toEqual([0, 2, 3, 4]);
    settle(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([1]);
    settle(sequencer, entries[1]);
    expect(take(sequencer)).toEqual([5]);
  });

  it('orders nothing in SHARED mode', () => {
    const sequencer = new KeyedSequencer('shared');
    add(sequencer, [A, A, B, A]);
    expect(take(sequencer)).toEqual([0, 1, 2, 3]);
  });

  it('keeps a key while its oldest message waits, and lets the other keys pass', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    const entries = add(sequencer, [A, A, B, B]);
    take(sequencer);
    entries[0]!.state = ENTRY_STATE.waiting;
    settle(sequencer, entries[2]);
    expect(take(sequencer)).toEqual([3]);
    comeBack(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([0]);
    settle(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([1]);
  });

  it('gives what came back before what is fresh, oldest first', () => {
    const sequencer = new KeyedSequencer('shared');
    const entries = add(sequencer, [0, 0, 0]);
    take(sequencer);
    const fresh = entryAt(3);
    sequencer.add(fresh);
    comeBack(sequencer, entries[2]);
    comeBack(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([0, 2, 3]);
  });

  it('skips messages of a key that were settled while they waited behind it', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    const entries = add(sequencer, [A, A, A]);
    take(sequencer);
    settle(sequencer, entries[1]);
    settle(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([2]);
    settle(sequencer, entries[2]);
    const later = entryAt(9, { keyHash: A });
    sequencer.add(later);
    expect(take(sequencer)).toEqual([9]);
  });

  it('names what is blocked, oldest first and each once, so that it can be parked', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    const entries = add(sequencer, [A, A, B, A, B, 0]);
    expect(sequencer.blocked(2).map(({ offset }) => offset)).toEqual([1, 3]);
    expect(sequencer.blocked(9).map(({ offset }) => offset)).toEqual([4]);
    expect(sequencer.blocked(9)).toEqual([]);
    expect(entries[0]!.state).toBe(ENTRY_STATE.ready);
  });

  it('lets a parked message that has become the oldest of its key go once it is back', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    const entries = add(sequencer, [A, A]);
    take(sequencer);
    entries[1]!.state = ENTRY_STATE.waiting;
    settle(sequencer, entries[0]);
    expect(take(sequencer)).toEqual([]);
    comeBack(sequencer, entries[1]);
    expect(take(sequencer)).toEqual([1]);
  });

  it('does not remember what was blocked once it has gone', () => {
    const sequencer = new KeyedSequencer('keyOrdered');
    for (let offset = 0; offset < 100_000; offset += 2) {
      const [first, second] = [entryAt(offset, { keyHash: A }), entryAt(offset + 1, { keyHash: A })];
      sequencer.add(first);
      sequencer.add(second);
      take(sequencer);
      settle(sequencer, first);
      take(sequencer);
      settle(sequencer, second);
    }
    expect(sequencer.blockedCount).toBeLessThanOrEqual(4_096);
  });
});
