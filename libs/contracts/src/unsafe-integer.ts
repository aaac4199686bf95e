import { type HermesError, invalidField } from './hermes-error.js';

/** The INVALID_FIELD of an integer that a number cannot hold: those of the contract end at 2^53. */
export function unsafeInteger(field: string): HermesError {
  return invalidField(field, 'an integer below 2^53');
}
