import { BoundedQueue } from './bounded-queue.js';

describe('BoundedQueue', () => {
  it('gives items back in order, also after many of them', () => {
    const queue = new BoundedQueue<number>({ itemsMax: 10_000 });
    for (let i = 0; i < 5_000; i += 1) {
      queue.push(i);
    }
    for (let i = 0; i < 4_000; i += 1) {
      expect(queue.shift()).toBe(i);
    }
    queue.push(5_000);
    expect([queue.length, queue.peek(), queue.shift()]).toEqual([1_001, 4_000, 4_000]);
  });

  it('refuses an item beyond its bound in items', () => {
    const queue = new BoundedQueue<string>({ itemsMax: 1 });
    expect([queue.push('a'), queue.push('b'), queue.length]).toEqual([true, false, 1]);
  });

  it('refuses an item beyond its bound in weight, but takes any item when it is empty', () => {
    const queue = new BoundedQueue<number>({ itemsMax: 10, weightMax: 5, weigh: (item) => item });
    expect(queue.push(9)).toBe(true);
    expect(queue.push(1)).toBe(false);
    expect([queue.shift(), queue.weight]).toEqual([9, 0]);
    expect([queue.push(3), queue.push(2), queue.push(1)]).toEqual([true, true, false]);
  });
});
