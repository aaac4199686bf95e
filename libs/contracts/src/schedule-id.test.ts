import { formatScheduleId, parseScheduleId } from './schedule-id.js';

test('a schedule id is read as it was written, and needs no escape in a URL', () => {
  const id = { topic: 'orders.v1_eu-west', partition: 1_023, number: 2 ** 53 - 1 };
  const text = formatScheduleId(id);
  expect(parseScheduleId(text)).toEqual(id);
  expect(encodeURIComponent(text)).toBe(text);
});

test.each(['', 'orders', 'orders~0', 'orders~0~0', 'orders~0~01', 'orders~1024~1', '~0~1', 'or/ders~0~1', 'a~0~1~2'])(
  '%j is none',
  (text) => {
    expect(parseScheduleId(text)).toBeUndefined();
  },
);
