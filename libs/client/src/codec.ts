/** How a body becomes bytes and back. */
export interface Codec<T> {
  /** Media type, stored with each message; empty: none. */
  readonly contentType: string;
  /** Throws what cannot be written; the publish then rejects with it. */
  encode(body: T): Uint8Array;
  /** Throws what makes the bytes unreadable; a consumer then gives the message back as failed. */
  decode(bytes: Uint8Array): T;
}

/** JSON, the default. */
export function jsonCodec<T>(): Codec<T> {
  return {
    contentType: 'application/json',
    encode: (body) => Buffer.from((JSON.stringify(body) as string | undefined) ?? 'null'),
    decode: (bytes) => JSON.parse(textOf(bytes)) as T,
  };
}

/** Bytes as they are. */
export const bytesCodec: Codec<Uint8Array> = {
  contentType: 'application/octet-stream',
  encode: (body) => body,
  decode: (bytes) => bytes,
};

/** Text in UTF-8. */
export const stringCodec: Codec<string> = {
  contentType: 'text/plain; charset=utf-8',
  encode: (body) => Buffer.from(body),
  decode: textOf,
};

/** Has written a message. */
export interface ProtobufWriter {
  /** Gives the bytes. */
  finish(): Uint8Array;
}

/** What ts-proto and protobufjs generate for a message. */
export interface ProtobufType<T> {
  /** Gives a writer. */
  encode(message: T): ProtobufWriter;
  /** Throws what makes the bytes unreadable. */
  decode(bytes: Uint8Array): T;
}

/** Messages of one protobuf type: `protobufCodec(Order)`. */
export function protobufCodec<T>(type: ProtobufType<T>): Codec<T> {
  return {
    contentType: 'application/x-protobuf',
    encode: (body) => type.encode(body).finish(),
    decode: (bytes) => type.decode(bytes),
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
