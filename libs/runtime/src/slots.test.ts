import { Slots } from './slots.js';

describe('Slots', () => {
  it('finds each thing by its slot, once', () => {
    const slots = new Slots<{ name: string }>();
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    const [first, second] = [slots.add(a), slots.add(b)];
    expect(slots.take(first)).toBe(a);
    expect(slots.take(first)).toBeUndefined();
    expect([...slots]).toEqual([b]);
    expect(slots.size).toBe(1);
    expect(slots.take(second)).toBe(b);
    expect(slots.size).toBe(0);
  });

  it('uses slots again, so that it does not grow with what has gone', () => {
    const slots = new Slots();
    for (let round = 0; round < 1_000; round += 1) {
      const [first, second] = [slots.add({}), slots.add({})];
      expect(Math.max(first, second)).toBe(1);
      slots.take(first);
      slots.take(second);
    }
  });

  it('knows no slot that was never given, and none once it is cleared', () => {
    const slots = new Slots();
    expect(slots.take(0)).toBeUndefined();
    const slot = slots.add({});
    slots.clear();
    expect(slots.take(slot)).toBeUndefined();
    expect(slots.size).toBe(0);
  });
});
