import { Holdership } from './holdership.js';

describe('Holdership', () => {
  it('raises the token for each new holder, and for the same one under a new owner', () => {
    const holdership = new Holdership(5, 10);
    expect(holdership.claim(5)).toBe(false);
    expect(holdership.seal()).toEqual({ consumerEpoch: 5, token: 11 });
    holdership.committed();
    expect([holdership.claim(5), holdership.hasClaim]).toEqual([true, false]);
    expect([holdership.claim(6), holdership.seal()]).toEqual([false, { consumerEpoch: 6, token: 12 }]);
  });

  it('shows the stored holder until the claim is stored, but refuses lower epochs at once', () => {
    const holdership = new Holdership(5, 10);
    holdership.claim(7);
    expect([holdership.highestEpoch, holdership.stored.token]).toEqual([7, 10]);
    holdership.seal();
    expect([holdership.highestEpoch, holdership.stored.token]).toEqual([7, 10]);
    expect(holdership.committed()).toEqual({ consumerEpoch: 7, token: 11 });
    expect(holdership.stored).toEqual({ consumerEpoch: 7, token: 11 });
  });

  it('does not claim twice for the epoch that is being stored', () => {
    const holdership = new Holdership(0, 0);
    holdership.claim(3);
    expect([holdership.claim(3), holdership.seal()]).toEqual([false, { consumerEpoch: 3, token: 1 }]);
    expect([holdership.claim(3), holdership.hasClaim]).toEqual([false, false]);
  });

  it('gives a claim that comes while another is stored a token above it', () => {
    const holdership = new Holdership(0, 0);
    holdership.claim(3);
    holdership.seal();
    holdership.claim(4);
    expect(holdership.committed()?.token).toBe(1);
    expect(holdership.seal()).toEqual({ consumerEpoch: 4, token: 2 });
  });
});
