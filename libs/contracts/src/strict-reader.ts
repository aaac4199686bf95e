import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { isUtf8Range, textOf } from './raw/utf8.js';
import { WireError } from './raw/wire-error.js';

/** Wire types that may begin a field: all but the end of a group, which only `skip` itself may meet. */
const SKIPPED: ReadonlyMap<number, WireType> = new Map(
  [WireType.Varint, WireType.Bit64, WireType.LengthDelimited, WireType.StartGroup, WireType.Bit32].map((type) => [
    type,
    type,
  ]),
);

/**
 * Messages within one: more than the longest list of the contract, all 100,000 partitions, has. An empty one takes two
 * bytes to send and a hundred to keep.
 */
const MESSAGES_MAX = 250_000;

/**
 * The reader of all generated decoders (tools/protoc-gen-strict-ts.mjs puts it there). Unlike its base it refuses
 * invalid UTF-8, illegal tags, groups that did not begin, embedded messages that do not end where they should, and too
 * many of them.
 */
export class StrictReader extends BinaryReader {
  #messages = 0;

  constructor(bytes: Uint8Array) {
    super(bytes, decodeUtf8);
  }

  /** Passes over a field that the decoder does not know. */
  skipField(tag: number): void {
    const field = tag >>> 3;
    const wireType = SKIPPED.get(tag & 7);
    if (field === 0 || wireType === undefined) {
      throw new WireError('illegal tag');
    }
    this.skip(wireType, field);
  }

  /** Checks that a message, or a packed field, was read to its very end. */
  expectEnd(end: number): void {
    if (this.pos !== end) {
      throw new WireError('a value passes the end of its message');
    }
    this.#messages += 1;
    if (this.#messages > MESSAGES_MAX) {
      throw new WireError(`more than ${MESSAGES_MAX} embedded messages`);
    }
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8Range(bytes, 0, bytes.length)) {
    throw new WireError('invalid UTF-8');
  }
  return textOf(bytes, 0, bytes.length);
}
