import { murmur2, partitionForKey } from './murmur2.js';

describe('murmur2', () => {
  // The vectors of Apache Kafka's own UtilsTest.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])("equals Kafka's for %s", (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it('hashes a range as it hashes a copy of that range', () => {
    const bytes = Buffer.from('xxfoobaryy');
    expect(murmur2(bytes, 2, 8)).toBe(murmur2(Buffer.from('foobar')));
  });

  it('gives a negative hash a partition as Kafka does', () => {
    expect(partitionForKey('foobar', 7)).toBe((-790332482 & 0x7fffffff) % 7);
    expect(partitionForKey(Buffer.from('foobar'), 7)).toBe(partitionForKey('foobar', 7));
  });
});
