import { StoreError } from '@hermes/log';
import { decompress as decompressZstd } from 'fzstd';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { compress, uncompress } from 'snappy';

/** What kafkajs asks of a codec; its own types leave it open. */
interface Codec {
  compress(records: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

/** In front of blocks that each have their length before them: how Java's snappy frames a stream, version 1. */
const XERIAL_HEADER = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex');
const XERIAL_MAGIC = XERIAL_HEADER.subarray(0, 8);
const LENGTH_BYTES = 4;

const SNAPPY: Codec = {
  async compress({ buffer }) {
    const block = await compress(buffer);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(block.length);
    return Buffer.concat([XERIAL_HEADER, length, block]);
  },
  // Some clients write one block, and nothing before it.
  async decompress(data) {
    const blocks = data.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC) ? xerialBlocks(data) : [data];
    return Buffer.concat((await Promise.all(blocks.map((block) => uncompress(block)))) as Buffer[]);
  },
};

const LZ4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (data) => decompressFrame(data),
};

/** Read only: what compresses zstd in Node 20 has to be compiled where it is installed. */
const ZSTD: Codec = {
  compress: () => Promise.reject(new Error('zstd is only read: write with gzip, snappy or lz4')),
  decompress: (data) => Promise.resolve(Buffer.from(decompressZstd(data))),
};

/** Gives kafkajs, which knows gzip, the other codecs that a record batch may have. For the process; harmless when repeated. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.Snappy] = () => checked('snappy', SNAPPY);
  CompressionCodecs[CompressionTypes.LZ4] = () => checked('lz4', LZ4);
  CompressionCodecs[CompressionTypes.ZSTD] = () => checked('zstd', ZSTD);
}

/** What cannot be read is corrupt: no error of the program. */
function checked(name: string, codec: Codec): Codec {
  return {
    compress: (records) => codec.compress(records),
    decompress: async (data) => {
      try {
        return await codec.decompress(data);
      } catch (cause) {
        throw new StoreError('recordCorrupt', `a batch of records is no ${name}`, { cause });
      }
    },
  };
}

function xerialBlocks(data: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let offset = XERIAL_HEADER.length; offset < data.length;) {
    const start = offset + LENGTH_BYTES;
    const end = start + data.readUInt32BE(offset);
    blocks.push(data.subarray(start, end));
    offset = end;
  }
  return blocks;
}
