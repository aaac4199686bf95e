import { LanePicker } from './lane-picker.js';

/** The lanes of so many messages, while `isWaiting` says which lanes have some. */
function picks(picker: LanePicker, count: number, isWaiting: (lane: number) => boolean): number[] {
  return Array.from({ length: count }, () => {
    const lane = picker.pick(isWaiting);
    picker.spend(lane ?? -1);
    return lane ?? -1;
  });
}

const countOf = (lanes: readonly number[], lane: number): number => lanes.filter((each) => each === lane).length;

describe('LanePicker', () => {
  it('gives each waiting lane its weight in every round: 8, 4, 2 and 1', () => {
    const picker = new LanePicker(4);
    for (let round = 0; round < 5; round += 1) {
      const lanes = picks(picker, 15, () => true);
      expect([3, 2, 1, 0].map((lane) => countOf(lanes, lane))).toEqual([8, 4, 2, 1]);
    }
  });

  it('takes the most urgent first', () => {
    expect(picks(new LanePicker(3), 3, () => true)).toEqual([2, 2, 2]);
    expect(picks(new LanePicker(3), 3, (lane) => lane < 2)).toEqual([1, 1, 0]);
  });

  it('starves no lane, however many levels stand above it', () => {
    const lanes = picks(new LanePicker(10), 2 * (2 ** 10 - 1), () => true);
    expect(countOf(lanes, 0)).toBe(2);
  });

  it('does not save up shares of a lane that had nothing', () => {
    const picker = new LanePicker(2);
    picks(picker, 300, (lane) => lane === 1);
    expect(
      countOf(
        picks(picker, 30, () => true),
        0,
      ),
    ).toBeLessThanOrEqual(11);
  });

  it('picks nothing when nothing waits, and the one lane when there is one', () => {
    expect(new LanePicker(3).pick(() => false)).toBeUndefined();
    expect(picks(new LanePicker(1), 3, () => true)).toEqual([0, 0, 0]);
  });
});
