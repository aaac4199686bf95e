import { type HermesError, invalidField } from './hermes-error.js';

/** A generated enum: names to numbers and back. */
type EnumObject = Readonly<Record<string, string | number>>;

/** True if `value` is one that this version of the contract knows; decoding lets unknown numbers through. */
export function isKnownEnum(enumObject: EnumObject, value: number): boolean {
  return Object.hasOwn(enumObject, String(value));
}

/** The INVALID_FIELD that an unknown enum value deserves, if any. UNSPECIFIED is known. */
export function checkEnum(field: string, enumObject: EnumObject, value: number): HermesError | undefined {
  return isKnownEnum(enumObject, value) ? undefined : invalidField(field, 'a value that this server knows');
}
