import { parseClassic } from './classic-filter.js';
import { parseExpression } from './expression-filter.js';
import type { Filter } from './filter.js';

/** The classic form begins with an attribute's name and a tilde. */
const CLASSIC = /^\s*[^\s~,"'()[\]!=<>&|]+\s*~/;

/**
 * Reads a filter: a boolean expression over `key`, `ref_key`, `priority` and `attributes`, or the classic form
 * `name~pattern,…` over attributes. Throws FilterError.
 */
export function parseFilter(text: string): Filter {
  return CLASSIC.test(text) ? parseClassic(text) : parseExpression(text);
}
