/** What can go wrong in a store that is no expected outcome; the broker's edge maps each to a public reason. */
export const STORE_ERROR_KINDS = [
  /** Not reachable or too slow; nothing was done. Try again. */
  'unavailable',
  /** No space left; nothing was done. */
  'full',
  /** More than the store takes at once, as it now says; nothing was done. */
  'tooLarge',
  /** A stored record does not match its checksum. */
  'recordCorrupt',
  /** An offset below the lane's first one. */
  'outOfRange',
  /** The store has no such thing: its capabilities, or the way in which it was opened, say so. */
  'unsupported',
  /** What was written is missing: the partition is quarantined. */
  'dataLoss',
  /** The store was closed meanwhile. */
  'closed',
  /** The file cannot be written or is corrupt: the process must exit. */
  'fatal',
  /** Another process has the data directory. */
  'directoryHeld',
  /** The data directory cannot be made, read or written. */
  'directoryUnusable',
  /** The data was written by a newer program. */
  'schemaNewer',
] as const;

export type StoreErrorKind = (typeof STORE_ERROR_KINDS)[number];

/** Facts of an error by name: offsets, paths, versions; never payload. */
export type StoreErrorDetails = Readonly<Record<string, string | number>>;

/** An operating fault of a store. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;
  readonly details: StoreErrorDetails;

  constructor(kind: StoreErrorKind, message: string, options: { details?: StoreErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.details = options.details ?? {};
  }
}

/** The answer to what reads the log of a partition that was opened for its state alone. */
export function logIsElsewhere(address: { readonly topicId: number; readonly partition: number }): StoreError {
  const { topicId, partition } = address;
  return new StoreError('unsupported', `the log of partition ${topicId}/${partition} is kept in another store`, {
    details: { topicId, partition },
  });
}
