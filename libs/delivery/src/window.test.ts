import { entryAt } from '../test/entries.js';
import { Window } from './window.js';

describe('Window', () => {
  it('has room until either bound is met', () => {
    const window = new Window(3, 25);
    window.enter(entryAt(0));
    expect([window.hasRoom, window.room]).toEqual([true, { recordsMax: 2, bytesMax: 15 }]);
    window.enter(entryAt(1, { bytes: 15 }));
    expect(window.hasRoom).toBe(false);
  });

  it('counts a message once, and forgets it once', () => {
    const window = new Window(3, 100);
    const entry = entryAt(0);
    window.enter(entry);
    window.enter(entry);
    expect([window.records, window.bytes]).toEqual([1, 10]);
    window.leave(entry);
    window.leave(entry);
    expect([window.records, window.bytes]).toEqual([0, 0]);
  });

  it('does not count stored retries', () => {
    const window = new Window(3, 100);
    const entry = entryAt(0);
    entry.stored = true;
    window.enter(entry);
    expect(window.records).toBe(0);
  });
});
