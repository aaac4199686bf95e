import fc from 'fast-check';

import { entryAt } from '../test/entries.js';
import { HeldList } from './held-list.js';

describe('HeldList', () => {
  it('keeps the order in which messages came, whichever leave', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
        const list = new HeldList();
        const entries = Array.from({ length: 10 }, (_, offset) => entryAt(offset));
        const plain: number[] = [];
        for (const step of steps) {
          const entry = entries[step]!;
          if (plain.includes(step)) {
            list.remove(entry);
            plain.splice(plain.indexOf(step), 1);
          } else {
            list.push(entry);
            plain.push(step);
          }
          expect(Array.from(list, ({ offset }) => offset)).toEqual(plain);
          expect([list.size, list.first?.offset]).toEqual([plain.length, plain[0]]);
        }
      }),
    );
  });
});
