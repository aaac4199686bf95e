import { type Filter, FilterError } from './filter.js';

/** Wildcards of one pattern: bounds what a long value can cost. */
const WILDCARDS_MAX = 10;

/** One character of a value: exactly this one, any but a dot any number of times, or any at all. */
type Token = { readonly char: string } | '*' | '#';

/**
 * Reads the notation of the first Hermes: conditions `name~pattern` separated by commas, all of which must hold. In a
 * pattern `*` stands for any characters but a dot, `#` for any characters; all else, upper and lower case too, stands
 * for itself. A missing attribute is empty. Throws FilterError.
 */
export function parseClassic(text: string): Filter {
  const conditions = text.split(',').map(parseCondition);
  return (subject) => conditions.every(({ name, matches }) => matches(subject.attribute(name) ?? ''));
}

function parseCondition(text: string): { readonly name: string; readonly matches: (value: string) => boolean } {
  const [name, pattern, ...more] = text.split('~').map((part) => part.trim());
  if (name === undefined || name === '' || pattern === undefined || more.length > 0) {
    throw new FilterError(`"${text.trim()}" is no condition such as name~pattern`);
  }
  return { name, matches: parsePattern(pattern) };
}

function parsePattern(pattern: string): (value: string) => boolean {
  const tokens = Array.from(pattern, (char): Token => (char === '*' || char === '#' ? char : { char }));
  const wildcards = tokens.filter((token) => typeof token === 'string').length;
  if (wildcards > WILDCARDS_MAX) {
    throw new FilterError(`the pattern ${pattern} has ${wildcards} wildcards, at most ${WILDCARDS_MAX}`);
  }
  return (value) => matches(tokens, value);
}

/**
 * Follows all ways through the pattern at once (after Thompson, "Regular Expression Search Algorithm", 1968), so that no
 * value makes it go back.
 */
function matches(tokens: readonly Token[], value: string): boolean {
  let places = closure(tokens, [0]);
  for (const char of value) {
    const next: number[] = [];
    for (const place of places) {
      const token = tokens[place];
      if (token === '#' || (token === '*' && char !== '.')) {
        next.push(place);
      } else if (typeof token === 'object' && token.char === char) {
        next.push(place + 1);
      }
    }
    if (next.length === 0) {
      return false;
    }
    places = closure(tokens, next);
  }
  return places.has(tokens.length);
}

/** The places, and those behind wildcards that stand for nothing. */
function closure(tokens: readonly Token[], places: readonly number[]): Set<number> {
  const all = new Set<number>();
  for (let place of places) {
    all.add(place);
    while (typeof tokens[place] === 'string') {
      place += 1;
      all.add(place);
    }
  }
  return all;
}
