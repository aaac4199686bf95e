import { random53, systemRandom } from './random.js';

describe('random53', () => {
  it('is a positive safe integer, never 0', () => {
    expect(random53({ next: () => 0 })).toBe(1);
    expect(random53({ next: () => 1 - 2 ** -53 })).toBe(Number.MAX_SAFE_INTEGER);
    expect(Number.isSafeInteger(random53(systemRandom))).toBe(true);
  });
});
