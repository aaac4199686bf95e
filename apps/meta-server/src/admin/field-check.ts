import {
  type Bounds,
  checkEnum,
  type Duration,
  type DurationBounds,
  durationFromMs,
  type HermesError,
  invalidField,
  readDuration,
} from '@hermes/contracts';

/** Throws the error that a check of the contract found, if any. */
export function refuse(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}

/** An optional number with its default filled in; INVALID_FIELD outside of its bounds. */
export function boundedInt(field: string, value: number | undefined, bounds: Bounds): number {
  const given = value ?? bounds.default;
  if (!Number.isSafeInteger(given) || given < bounds.min || given > bounds.max) {
    throw invalidField(field, `${bounds.min} to ${bounds.max}`);
  }
  return given;
}

/** An optional duration with its default filled in; INVALID_FIELD outside of its bounds. */
export function boundedDuration(
  field: string,
  value: Duration | undefined,
  bounds: DurationBounds & { readonly default: number },
): Duration {
  if (value === undefined) {
    return durationFromMs(bounds.default);
  }
  const read = readDuration(field, value, bounds);
  if (typeof read !== 'number') {
    throw read;
  }
  return value;
}

/** An enum with its default for UNSPECIFIED; INVALID_FIELD for a number that this version does not know. */
export function knownEnum<T extends number>(
  field: string,
  value: T,
  options: { readonly of: Readonly<Record<string, string | number>>; readonly default: T },
): T {
  refuse(checkEnum(field, options.of, value));
  return value === 0 ? options.default : value;
}
