import fc from 'fast-check';

import { MinHeap } from './min-heap.js';

const drain = (heap: MinHeap<number>): number[] => Array.from({ length: heap.size }, () => heap.pop() as number);
const sorted = (items: readonly number[]): number[] => [...items].sort((a, b) => a - b);

describe('MinHeap', () => {
  it('gives its items in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (items) => {
        const heap = new MinHeap<number>((a, b) => a < b);
        items.forEach((item) => {
          heap.push(item);
        });
        expect(heap.peek()).toBe(sorted(items)[0]);
        expect(drain(heap)).toEqual(sorted(items));
      }),
    );
  });

  it('keeps the order of what is retained', () => {
    const heap = new MinHeap<number>((a, b) => a < b);
    [5, 3, 8, 1, 9, 2].forEach((item) => {
      heap.push(item);
    });
    heap.retain((item) => item % 2 === 1);
    expect(drain(heap)).toEqual([1, 3, 5, 9]);
    expect(heap.pop()).toBeUndefined();
  });
});
