import { InFlightPool, type InFlightShare } from './in-flight-pool.js';

/** Takes as much as it gets, and at most so much; gives how much that was. */
function fill(share: InFlightShare, max = Number.POSITIVE_INFINITY): number {
  let taken = 0;
  while (taken < max && share.take()) {
    taken += 1;
  }
  share.rest();
  return taken;
}

function giveBack(share: InFlightShare, count: number): void {
  for (let given = 0; given < count; given += 1) {
    share.giveBack();
  }
  share.passOn();
}

describe('InFlightPool', () => {
  let pool: InFlightPool;
  let woken: string[];
  const shareOf = (name: string): InFlightShare => pool.share(() => woken.push(name));
  beforeEach(() => {
    pool = new InFlightPool(900);
    woken = [];
  });

  it('gives one share 8/9 of itself, and what is left to those that come later', () => {
    const [first, second, third] = [shareOf('first'), shareOf('second'), shareOf('third')];
    expect(fill(first)).toBe(800);
    expect(fill(second)).toBe(89);
    expect(fill(third)).toBe(10);
    expect([pool.used, pool.waiting]).toEqual([899, 3]);
  });

  it('comes to equal parts, whoever was there first', () => {
    const shares = [shareOf('0'), shareOf('1')];
    shares.forEach((share) => fill(share));
    for (let turn = 0; turn < 2_000; turn += 1) {
      giveBack(shares[turn % 2] as InFlightShare, 10);
      for (const name of woken.splice(0)) {
        fill(shares[Number(name)] as InFlightShare);
      }
    }
    const equal = (900 * 8) / 17;
    expect(shares.filter(({ held }) => Math.abs(held - equal) > equal / 10)).toEqual([]);
    expect(pool.used).toBeLessThanOrEqual(900);
  });

  it('never gives out more than there is, however small it is', () => {
    pool = new InFlightPool(2);
    const [first, second] = [shareOf('first'), shareOf('second')];
    expect([fill(first), fill(second), pool.used]).toEqual([2, 0, 2]);
  });

  it('keeps what comes back for who has waited longest, and wakes nobody else for it', () => {
    pool = new InFlightPool(3);
    const [holder, early, late] = [shareOf('holder'), shareOf('early'), shareOf('late')];
    fill(holder, 3);
    [early, late].forEach((share) => fill(share));
    giveBack(holder, 1);
    expect(woken).toEqual(['early']);
    expect([holder, late, early].map((share) => fill(share))).toEqual([0, 0, 1]);
    expect([pool.used, pool.waiting]).toEqual([3, 3]);
  });

  it('lets a share that was served wait behind the others', () => {
    pool = new InFlightPool(3);
    const [holder, early, late] = [shareOf('holder'), shareOf('early'), shareOf('late')];
    fill(holder, 3);
    [early, late].forEach((share) => fill(share));
    giveBack(holder, 1);
    fill(early);
    giveBack(holder, 1);
    fill(late);
    giveBack(holder, 1);
    expect(woken).toEqual(['early', 'late', 'early']);
  });

  it.each<readonly [string, 'rest' | 'leave']>([
    ['wants nothing any more', 'rest'],
    ['is closed', 'leave'],
  ])('passes a promise on when its share %s', (_, end) => {
    pool = new InFlightPool(1);
    const [holder, early, late] = [shareOf('holder'), shareOf('early'), shareOf('late')];
    fill(holder, 1);
    [early, late].forEach((share) => fill(share));
    giveBack(holder, 1);
    early[end]();
    expect(woken).toEqual(['early', 'late']);
    expect([fill(late), pool.waiting]).toEqual([1, 1]);
  });

  it('takes nothing back that was not taken', () => {
    expect(() => {
      shareOf('first').giveBack();
    }).toThrow('more deliveries given back than taken');
  });
});
