import { durationWords, facts, protobufJson, table } from './output.js';

describe('output', () => {
  it('aligns columns, numbers to the right, without trailing spaces', () => {
    expect(
      table(
        ['NAME', 'COUNT', 'NOTE'],
        [
          ['a', 5, ''],
          ['longer', 1_000, 'x'],
        ],
      ),
    ).toEqual(['NAME    COUNT  NOTE', 'a           5  -', 'longer   1000  x']);
  });

  it('leaves out facts that are not there', () => {
    expect(
      facts([
        ['a', 1],
        ['much longer', ''],
        ['bb', false],
      ]),
    ).toEqual(['a   1', 'bb  false']);
  });

  it('writes durations as protobuf JSON does', () => {
    const value = { a: { seconds: 30 }, b: { seconds: 1, nanos: 5e8 }, c: { nanos: 1 }, d: { seconds: 1, more: 2 } };
    expect(JSON.parse(protobufJson(value))).toEqual({
      a: '30s',
      b: '1.5s',
      c: '0.000000001s',
      d: { seconds: 1, more: 2 },
    });
  });

  it.each([
    [0, '0s'],
    [90_000, '1m 30s'],
    [604_800_000, '7d'],
    [1_500, '1s 500ms'],
  ])('says %d ms in words', (ms, words) => {
    expect(durationWords(ms)).toBe(words);
  });
});
