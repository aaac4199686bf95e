import { type DeliveryMode } from '../src/index.js';
import { Drain, FATE, FILTER_EVERY } from './drain.js';

describe('a drain with acks, failures, crashes and seeks at random', () => {
  it.each<[string, number, DeliveryMode]>([
    ['1,000,000', 1_000_000, 'keyOrdered'],
    ['200,000', 200_000, 'shared'],
    ['200,000', 200_000, 'exclusive'],
  ])(
    '%s messages of a group (%#) are acknowledged, dead, expired, filtered or passed over, exactly',
    (_, messages, mode) => {
      const drain = new Drain(messages, mode, 5);
      drain.run();
      expect(drain.audit()).toEqual([]);
      const ends = [FATE.acknowledged, FATE.dead, FATE.expired, FATE.passed].map((fate) => drain.count(fate));
      expect(ends.reduce((sum, count) => sum + count, drain.count(FATE.none))).toBe(messages);
      expect(drain.count(FATE.none)).toBeLessThanOrEqual(messages / FILTER_EVERY);
      ends.slice(0, 3).forEach((count) => {
        expect(count).toBeGreaterThan(messages / 1_000);
      });
      expect(drain.counts.crashes).toBeGreaterThan(3);
      expect(drain.counts.seeks).toBeGreaterThan(0);
    },
    120_000,
  );
});
