import { crc32 } from 'node:zlib';

import type { AppendBatch, RecordKind } from '@hermes/log';

/** Name of the one Kafka header that a record of Hermes' own topics carries. */
export const HEADER_NAME = 'hermes';

/**
 * What Hermes knows of a record beside its bytes. In order, big-endian: version (1 byte), kind (1), the flags of the
 * fields that follow (2), CRC-32 of the record (4), epoch of the owner that wrote it (8), and those of the optional
 * fields that are not 0 (8 each).
 */
export interface RecordHeader {
  readonly kind: RecordKind;
  readonly checksum: number;
  readonly epoch: number;
  /** 0 = none. */
  readonly scheduleId: number;
  /** 0 = none, together with the sequence. */
  readonly producerId: number;
  readonly sequence: number;
  /** 0 = never. */
  readonly expiresAtMs: number;
}

const VERSION = 1;
const AT = { kind: 1, flags: 2, checksum: 4, epoch: 8, fields: 16 } as const;
const FIELD_BYTES = 8;
/** Place of each optional field's flag, and their order. */
const FIELDS = ['scheduleId', 'producerId', 'sequence', 'expiresAtMs'] as const;

export function encodeHeader(header: RecordHeader): Buffer {
  const present = FIELDS.filter((name) => header[name] !== 0);
  const bytes = Buffer.allocUnsafe(AT.fields + present.length * FIELD_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(header.kind, AT.kind);
  bytes.writeUInt16BE(
    present.reduce((flags, name) => flags | (1 << FIELDS.indexOf(name)), 0),
    AT.flags,
  );
  bytes.writeUInt32BE(header.checksum, AT.checksum);
  bytes.writeDoubleBE(header.epoch, AT.epoch);
  present.forEach((name, index) => bytes.writeDoubleBE(header[name], AT.fields + index * FIELD_BYTES));
  return bytes;
}

/** The header of one record of a batch. */
export function headerOf(batch: AppendBatch, index: number, epoch: number): RecordHeader {
  return {
    kind: 0,
    checksum: crc32(batch.record(index)),
    epoch,
    scheduleId: batch.scheduleIds[index] ?? 0,
    producerId: batch.producerIds[index] ?? 0,
    sequence: batch.sequences[index] ?? 0,
    expiresAtMs: batch.expiresAtMs[index] ?? 0,
  };
}

/** Undefined if these are not the bytes of a header that this version knows. */
export function decodeHeader(bytes: Buffer): RecordHeader | undefined {
  if (bytes.length < AT.fields || bytes.readUInt8(0) !== VERSION) {
    return undefined;
  }
  const flags = bytes.readUInt16BE(AT.flags);
  let at: number = AT.fields;
  const field = (place: number): number => {
    if ((flags & (1 << place)) === 0 || at + FIELD_BYTES > bytes.length) {
      return 0;
    }
    at += FIELD_BYTES;
    return bytes.readDoubleBE(at - FIELD_BYTES);
  };
  return {
    kind: bytes.readUInt8(AT.kind) as RecordKind,
    checksum: bytes.readUInt32BE(AT.checksum),
    epoch: bytes.readDoubleBE(AT.epoch),
    scheduleId: field(0),
    producerId: field(1),
    sequence: field(2),
    expiresAtMs: field(3),
  };
}
