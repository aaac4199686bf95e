import { invalidField, LIMITS } from '@hermes/contracts';
import { type Filter, FilterError, parseFilter } from '@hermes/filter';

/** The filter of a request; undefined if it has none. Throws INVALID_FIELD. */
export function readFilter(field: string, text: string): Filter | undefined {
  if (Buffer.byteLength(text) > LIMITS.filterBytes) {
    throw invalidField(field, `at most ${LIMITS.filterBytes} bytes`);
  }
  try {
    return text === '' ? undefined : parseFilter(text);
  } catch (error) {
    throw error instanceof FilterError ? invalidField(field, error.message) : error;
  }
}
