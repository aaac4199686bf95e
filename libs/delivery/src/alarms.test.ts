import { entryAt, gone } from '../test/entries.js';
import { Alarms } from './alarms.js';
import { type Entry, ENTRY_STATE } from './entry.js';

const due = (alarms: Alarms, nowMs: number): number[] => {
  const offsets: number[] = [];
  for (let entry = alarms.nextDue(nowMs); entry !== undefined; entry = alarms.nextDue(nowMs)) {
    entry.state = ENTRY_STATE.ready;
    offsets.push(entry.offset);
  }
  return offsets;
};

describe('Alarms', () => {
  let entries: Entry[];
  beforeEach(() => {
    entries = [entryAt(0), entryAt(1), entryAt(2)];
  });

  it('gives what is due in the order of time, then of offset, and never early', () => {
    const alarms = new Alarms();
    alarms.set(entries[2]!, 50);
    alarms.set(entries[1]!, 50);
    alarms.set(entries[0]!, 60);
    expect(alarms.earliestMs()).toBe(50);
    expect(due(alarms, 49.9)).toEqual([]);
    expect(due(alarms, 50)).toEqual([1, 2]);
    expect(due(alarms, 60)).toEqual([0]);
    expect(alarms.earliestMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('forgets the alarm of what was settled, and an earlier alarm of what was set again', () => {
    const alarms = new Alarms();
    alarms.set(entries[0]!, 10);
    gone(entries[0]!);
    alarms.set(entries[1]!, 20);
    alarms.set(entries[1]!, 70);
    expect([alarms.earliestMs(), due(alarms, 69), due(alarms, 70)]).toEqual([70, [], [1]]);
  });
});
