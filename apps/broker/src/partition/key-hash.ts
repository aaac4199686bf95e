import { type ScannedMessage, scanMessage } from '@hermes/contracts';

/** Limits of no topic: what is read back was checked when it was published. */
const ANY = { maxBodyBytes: Number.MAX_SAFE_INTEGER, priorityLevels: Number.MAX_SAFE_INTEGER };

/** Stands for a message without a key, which is ordered after nothing. */
export const NO_KEY_HASH = 0;

/**
 * The hash under which a key is ordered: unsigned 32 bits, shifted by one because 0 means no key. Two keys of one
 * hash only wait for each other.
 */
export function keyHashOf(message: ScannedMessage): number {
  return message.hasKey ? (message.keyHash >>> 0) + 1 : NO_KEY_HASH;
}

/** The same for a stored record. */
export function keyHashOfRecord(record: Uint8Array): number {
  const scan = scanMessage(record, ANY);
  return scan.kind === 'ok' ? keyHashOf(scan) : NO_KEY_HASH;
}
