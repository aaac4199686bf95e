import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { isUtf8 } from 'node:buffer';
import { isUtf8Range } from './utf8.js';
import { WireError } from './wire-error.js';
import { WireReader } from './wire-reader.js';
import { int32Bytes, varintBytes, WireWriter } from './wire-writer.js';

const int64 = fc.maxSafeInteger();
const uint64 = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(2 ** 28, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));

describe('WireReader', () => {
  it('reads integers as protobuf writes them', () => {
    fc.assert(
      fc.property(uint64, int64, fc.integer(), fc.boolean(), (unsigned, signed, int, bool) => {
        const bytes = new BinaryWriter().uint64(unsigned).int64(signed).int32(int).bool(bool).finish();
        const reader = new WireReader(bytes);
        expect([reader.uint64(), reader.int64(), reader.int32(), reader.bool()]).toEqual([unsigned, signed, int, bool]);
        expect(reader.pos).toBe(reader.end);
      }),
    );
  });

  it('throws WireError or ends within its bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const reader = new WireReader(bytes);
        try {
          while (reader.pos < reader.end) {
            reader.skip(reader.tag());
          }
          expect(reader.pos).toBe(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('WireWriter', () => {
  it('writes integers as protobuf reads them, in the size that was computed', () => {
    fc.assert(
      fc.property(uint64, fc.integer(), (unsigned, int) => {
        const size = varintBytes(unsigned) + int32Bytes(int);
        const reader = new BinaryReader(new WireWriter(size).varint(unsigned).int32(int).finish());
        expect([Number(reader.uint64()), reader.int32()]).toEqual([unsigned, int]);
      }),
    );
  });

  it('does not finish a message of another size than computed', () => {
    expect(() => new WireWriter(3).varint(1).finish()).toThrow('1 bytes of 3');
  });
});

describe('isUtf8Range', () => {
  it('judges as Node.js does, around its own fast path too', () => {
    const chunks = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(chunks, { maxLength: 3 }), (parts) => {
        const bytes = Buffer.concat([Buffer.from([0xff]), ...parts, Buffer.from([0xff])]);
        expect(isUtf8Range(bytes, 1, bytes.length - 1)).toBe(isUtf8(bytes.subarray(1, -1)));
      }),
      { numRuns: 500 },
    );
  });
});
