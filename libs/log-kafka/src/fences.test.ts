import { decodeHandover, encodeHandover, epochAt, withFence } from './fences.js';

const FENCES = [
  { offset: 0, epoch: 1 },
  { offset: 10, epoch: 4 },
  { offset: 20, epoch: 5 },
];

describe('fences', () => {
  it('hold from the record behind them on', () => {
    expect([0, 1, 10, 11, 20, 21, 9_999].map((offset) => epochAt(FENCES, offset))).toEqual([0, 1, 1, 4, 4, 5, 5]);
    expect(epochAt([], 7)).toBe(0);
  });

  it('are kept as long as something is kept behind them', () => {
    const next = { offset: 30, epoch: 9 };
    expect(withFence(FENCES, next, 0)).toEqual([...FENCES, next]);
    expect(withFence(FENCES, next, 10)).toEqual([...FENCES, next]);
    expect(withFence(FENCES, next, 11)).toEqual([...FENCES.slice(1), next]);
    expect(withFence(FENCES, next, 30)).toEqual([FENCES[2], next]);
    expect(withFence([], next, 0)).toEqual([next]);
  });

  it('are bounded: the oldest go first', () => {
    const many = Array.from({ length: 1_000 }, (_, nth) => ({ offset: nth, epoch: nth + 1 }));
    const kept = withFence(many, { offset: 1_000, epoch: 1_001 }, 0);
    expect([kept.length, kept[0]?.epoch, kept.at(-1)?.epoch]).toEqual([1_000, 2, 1_001]);
  });

  it('come back with the snapshot that they go with', () => {
    const handover = { fences: [FENCES, [], [{ offset: 2 ** 40, epoch: 2 ** 50 }]], snapshot: Buffer.from('any') };
    expect(decodeHandover(encodeHandover(handover))).toEqual(handover);
    expect(decodeHandover(encodeHandover({ fences: [], snapshot: undefined }))).toEqual({
      fences: [],
      snapshot: undefined,
    });
    const attached = { fences: [], snapshot: undefined, kafkaTopicId: '00ff' };
    expect(decodeHandover(encodeHandover(attached))).toEqual(attached);
    expect(decodeHandover(undefined)).toEqual({ fences: [], snapshot: undefined });
  });
});
