import { Message, murmur2, type ScannedMessage, scanMessage } from '@hermes/contracts';

/** Limits of no topic: what is read back was checked when it was published. */
const ANY = { maxBodyBytes: Number.MAX_SAFE_INTEGER, priorityLevels: Number.MAX_SAFE_INTEGER };

/** Stands for a message without a key, which is ordered after nothing. */
export const NO_KEY_HASH = 0;
/** Stands in for a key whose hash would look like none. */
const KEY_HASH_MIN = 1;

/**
 * The hash under which a key is ordered: 32 bits, as stores have a place for, and never 0. Two keys of one hash only
 * wait for each other.
 */
export function keyHashOf(message: ScannedMessage): number {
  return message.hasKey ? Math.max(KEY_HASH_MIN, message.keyHash >>> 0) : NO_KEY_HASH;
}

/** What a store is told of a record: the hash of its key, and its ref key. */
export function recordKeys(record: Uint8Array): { readonly keyHash: number; readonly refKey?: Uint8Array } {
  const scan = scanMessage(record, ANY);
  if (scan.kind !== 'ok') {
    return { keyHash: NO_KEY_HASH };
  }
  const { refKey } = scan;
  return { keyHash: keyHashOf(scan), ...(refKey === undefined ? {} : { refKey }) };
}

/** The same for a stored record: of an attached topic it may be beyond what can be published. */
export function keyHashOfRecord(record: Uint8Array): number {
  const scan = scanMessage(record, ANY);
  return scan.kind === 'ok' ? keyHashOf(scan) : hashOfText(Message.decode(record).key);
}

function hashOfText(key: string): number {
  return key === '' ? NO_KEY_HASH : Math.max(KEY_HASH_MIN, murmur2(Buffer.from(key)) >>> 0);
}
