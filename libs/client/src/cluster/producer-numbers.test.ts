import { systemRandom } from '@hermes/runtime';
import { PendingMessage } from './pending-message.js';
import { ProducerNumbers } from './producer-numbers.js';

const message = (): PendingMessage => new PendingMessage(Buffer.from('x'), Infinity, () => undefined);
const DONE = { durability: 1, duplicate: false };

test('a producer that was forgotten begins anew with what is not in doubt', () => {
  const numbers = new ProducerNumbers(systemRandom);
  const [a, b, c] = [message(), message(), message()];
  [a, b].forEach((each) => {
    expect(numbers.number(each)).toBe(true);
  });
  const { producerId, sequence } = b.identity!;
  expect([a.identity, sequence]).toEqual([{ producerId, sequence: 1 }, 2]);
  numbers.renew();
  expect(b.identity).toEqual({ producerId, sequence: 2 });

  a.isDoubtful = true;
  expect([numbers.forgotten(a), numbers.forgotten(b), numbers.forgotten(c)]).toEqual([false, true, false]);
  numbers.renew();
  [a, b, c].forEach((each) => numbers.number(each));
  expect(a.identity).toEqual({ producerId, sequence: 1 });
  expect([b.identity?.sequence, c.identity?.sequence]).toEqual([1, 2]);
  expect(b.identity?.producerId).not.toBe(producerId);
});

test('numbers span 1,000 from the oldest without an outcome', () => {
  const numbers = new ProducerNumbers(systemRandom);
  const all = Array.from({ length: 1_000 }, message);
  expect(all.every((each) => numbers.number(each))).toBe(true);
  const next = message();
  expect(numbers.number(next)).toBe(false);
  all.slice(1).forEach((each) => each.settle(DONE));
  expect(numbers.number(next)).toBe(false);
  all[0]!.settle(DONE);
  expect(numbers.number(next)).toBe(true);
  expect(next.identity?.sequence).toBe(1_001);
});
