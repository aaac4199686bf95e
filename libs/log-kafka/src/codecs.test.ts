import { CompressionCodecs, CompressionTypes } from 'kafkajs';

import { registerCodecs } from './codecs.js';

interface Codec {
  compress(records: { buffer: Buffer }): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

const TEXT = 'a record of Kafka; '.repeat(20);

/** TEXT, as Kafka's Java clients write it: as a stream, so that no header says how long it is. */
const WRITTEN_BY_JAVA = {
  Snappy: 'glNOQVBQWQAAAAABAAAAAQAAACj8AkhhIHJlY29yZCBvZiBLYWZrYTsg/hMA/hMA/hMA/hMA/hMAohMA',
  LZ4: 'BCJNGGBAgh8AAAD/BGEgcmVjb3JkIG9mIEthZmthOyATAP9SUGZrYTsgAAAAAA==',
  ZSTD: 'KLUv/QBY1AAAmGEgcmVjb3JkIG9mIEthZmthOyABAM1MnWEBAAA=',
} as const;

registerCodecs();

function codec(name: keyof typeof WRITTEN_BY_JAVA): Codec {
  return (CompressionCodecs[CompressionTypes[name]] as unknown as () => Codec)();
}

describe('registerCodecs', () => {
  it.each(['Snappy', 'LZ4', 'ZSTD'] as const)('reads the %s of the Java clients', async (name) => {
    const written = Buffer.from(WRITTEN_BY_JAVA[name], 'base64');
    expect((await codec(name).decompress(written)).toString()).toBe(TEXT);
  });

  it.each(['Snappy', 'LZ4'] as const)('reads the %s that it writes', async (name) => {
    const buffer = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    const written = await codec(name).compress({ buffer });
    expect(written.length).toBeLessThan(buffer.length);
    expect((await codec(name).decompress(written)).equals(buffer)).toBe(true);
  });

  it('reads snappy in several blocks, and snappy without a frame', async () => {
    const written = Buffer.from(WRITTEN_BY_JAVA.Snappy, 'base64');
    const framed = written.subarray(16);
    const twice = Buffer.concat([written, framed]);
    expect((await codec('Snappy').decompress(twice)).toString()).toBe(TEXT + TEXT);
    expect((await codec('Snappy').decompress(framed.subarray(4))).toString()).toBe(TEXT);
  });

  it.each(['Snappy', 'LZ4', 'ZSTD'] as const)('refuses %s that is cut off', async (name) => {
    const written = Buffer.from(WRITTEN_BY_JAVA[name], 'base64');
    await expect(codec(name).decompress(written.subarray(0, -12))).rejects.toMatchObject({ kind: 'recordCorrupt' });
  });

  it('does not write zstd', async () => {
    await expect(codec('ZSTD').compress({ buffer: Buffer.from(TEXT) })).rejects.toThrow('zstd is only read');
  });
});
