import fc from 'fast-check';

import { Deque } from './deque.js';

describe('Deque', () => {
  it('gives items in the order in which they came, however pushes and shifts mix', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 5_000 }), (steps) => {
        const deque = new Deque<number>();
        const plain: number[] = [];
        steps.forEach((isPush, step) => {
          if (isPush) {
            deque.push(step);
            plain.push(step);
          } else {
            expect(deque.shift()).toBe(plain.shift());
          }
          expect([deque.size, deque.peek()]).toEqual([plain.length, plain[0]]);
        });
      }),
      { numRuns: 20 },
    );
  });

  it('stays in order over the copies that free its head', () => {
    const deque = new Deque<number>();
    for (let item = 0; item < 5_000; item += 1) {
      deque.push(item);
    }
    expect(Array.from({ length: 5_000 }, () => deque.shift())).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
    expect(deque.shift()).toBeUndefined();
  });
});
