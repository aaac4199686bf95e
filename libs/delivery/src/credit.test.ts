import { Credit } from './credit.js';

describe('Credit', () => {
  it('fits messages up to its number, and bytes up to their sum', () => {
    const credit = new Credit(3, 100);
    expect(credit.fits(100)).toBe(true);
    credit.take(60);
    expect([credit.fits(40), credit.fits(41)]).toEqual([true, false]);
    credit.take(20);
    credit.take(20);
    expect(credit.fits(0)).toBe(false);
    credit.giveBack(60);
    expect([credit.messages, credit.bytes, credit.fits(60)]).toEqual([2, 40, true]);
  });

  it('lets a message above the whole credit go alone', () => {
    const credit = new Credit(3, 100);
    expect(credit.fits(500)).toBe(true);
    credit.take(500);
    expect(credit.fits(1)).toBe(false);
    credit.giveBack(500);
    credit.take(1);
    expect(credit.fits(500)).toBe(false);
  });

  it('learns the size of what it gave out before the size was known', () => {
    const credit = new Credit(3, 100);
    credit.take(0);
    credit.resize(0, 90);
    expect([credit.bytes, credit.fits(11)]).toEqual([90, false]);
    credit.giveBack(90);
    expect(credit.bytes).toBe(0);
  });

  it('empties for who reserves it, goes to that one alone, and is open again after', () => {
    const [credit, lone, other] = [new Credit(3, 100), {}, {}];
    credit.take(10);
    expect([credit.fitsAlone(lone), credit.reserve(lone), credit.reserve(other)]).toEqual([false, true, false]);
    expect(credit.fits(1)).toBe(false);
    credit.giveBack(10);
    expect([credit.fits(1), credit.fitsAlone(other), credit.fitsAlone(lone)]).toEqual([false, false, true]);
    credit.takeAlone(10);
    expect([credit.fits(1), credit.fitsAlone(other)]).toEqual([false, false]);
    credit.giveBack(10);
    expect([credit.fits(1), credit.fitsAlone(other)]).toEqual([true, true]);
  });

  it('tells those who were refused, once, when credit comes back or a reservation ends', () => {
    let told = 0;
    const credit = new Credit(2, 100, () => (told += 1));
    credit.take(1);
    credit.giveBack(1);
    expect(told).toBe(0);
    credit.take(1);
    credit.take(1);
    credit.fits(1);
    credit.giveBack(1);
    credit.giveBack(1);
    expect(told).toBe(1);
    const lone = {};
    credit.reserve(lone);
    credit.fits(1);
    credit.release({});
    expect(told).toBe(1);
    credit.release(lone);
    expect(told).toBe(2);
  });
});
