/** What a filter looks at. */
export interface FilterSubject {
  /** Empty without one. */
  readonly key: string;
  readonly refKey: string;
  readonly priority: number;
  /** Undefined if the message has none of this name. */
  attribute(name: string): string | undefined;
}

/** A parsed filter: true for messages that are wanted. Its cost is bounded by the sizes of filter and message. */
export type Filter = (subject: FilterSubject) => boolean;

/** A filter that cannot be read; the message says what is wrong, and where. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}
