import { SentBatches } from './sent-batches.js';

test('numbers batches on, and tells what came first of each source after one', () => {
  const sent = new SentBatches(10, 40);
  expect([sent.add(1, 100), sent.add(2, 7), sent.add(1, 103)]).toEqual([41, 42, 43]);
  expect(sent.last).toBe(43);
  expect(sent.after(40)).toEqual(
    new Map([
      [1, 100],
      [2, 7],
    ]),
  );
  expect(sent.after(42)).toEqual(new Map([[1, 103]]));
  expect(sent.after(43)).toEqual(new Map());
});

test('forgets what is older than its capacity, and what was before it', () => {
  const sent = new SentBatches(3, 40);
  expect(sent.after(39)).toBeUndefined();
  for (let no = 1; no <= 5; no += 1) {
    sent.add(1, no);
  }
  expect(sent.after(41)).toBeUndefined();
  expect(sent.after(42)).toEqual(new Map([[1, 3]]));
});
