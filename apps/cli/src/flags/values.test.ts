import { InvalidArgumentError } from 'commander';
import { position } from './position.js';
import { byteCount, durationMs, integer, pairs } from './values.js';

describe('flag values', () => {
  it.each([
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('reads the duration %s', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  it.each([
    ['0', 0],
    ['64KiB', 65_536],
    ['1GiB', 1_073_741_824],
  ])('reads the size %s', (text, bytes) => {
    expect(byteCount(text)).toBe(bytes);
  });

  it.each([
    ['earliest', { edge: 'POSITION_EDGE_EARLIEST' }],
    ['latest', { edge: 'POSITION_EDGE_LATEST' }],
    ['3/0/1042', { offset: { partition: 3, lane: 0, offset: 1_042 } }],
    ['-10', { shift: -10 }],
    ['+10', { shift: 10 }],
    ['2026-01-31T12:00:00+01:00', { time: '2026-01-31T11:00:00.000Z' }],
  ])('reads the position %s', (text, expected) => {
    expect(position(text)).toEqual(expected);
  });

  it.each([
    () => durationMs('30'),
    () => durationMs('-1s'),
    () => durationMs('1e3s'),
    () => byteCount('1.5KiB'),
    () => byteCount('9007199254740993'),
    () => integer('0x10'),
    () => integer(''),
    () => pairs('=x'),
    () => position('2026-31-01T00:00:00Z'),
    () => position(''),
  ])('refuses what only looks like one: %s', (parse) => {
    expect(parse).toThrow(InvalidArgumentError);
  });

  it('keeps attribute names and values as they are', () => {
    expect([...pairs('__proto__=x', pairs('a='))]).toEqual([
      ['a', ''],
      ['__proto__', 'x'],
    ]);
  });
});
