import { FilterError, type FilterSubject, parseFilter } from './index.js';

function message(
  fields: Partial<FilterSubject> & { readonly attributes?: Readonly<Record<string, string>> },
): FilterSubject {
  const attributes = new Map(Object.entries(fields.attributes ?? {}));
  return { key: '', refKey: '', priority: 0, attribute: (name) => attributes.get(name), ...fields };
}

const order = message({
  key: 'order-42',
  refKey: 'ref-7',
  priority: 3,
  attributes: { tag: 'alpha', region: 'eu.west', empty: '', constructor: 'own' },
});

describe('expressions', () => {
  test.each([
    'key == "order-42"',
    "key == 'order-42'",
    'key != "other" && priority == 3',
    'priority < 4 && priority <= 3 && priority > 2 && priority >= 3',
    'priority > -1',
    'key == "x" || ref_key == "ref-7"',
    '!(key == "x")',
    '!!(key == "order-42")',
    'attributes["tag"] == "alpha"',
    'attributes["missing"] == ""',
    '"tag" in attributes',
    '"empty" in attributes',
    '!("missing" in attributes)',
    '!("toString" in attributes) && "constructor" in attributes',
    'key in ["a", "order-42"]',
    'priority in [1, 2, 3]',
    '!(key in [])',
    'key.startsWith("order-") && key.endsWith("42") && key.contains("er-4")',
    'attributes["region"].startsWith("eu")',
    'key.contains(attributes["empty"])',
    'key < "order-43"',
    'key == "a" && key == "b" || priority == 3',
    '"a" in attributes || "b" in attributes || priority == 3',
  ])('%s holds', (text) => {
    expect(parseFilter(text)(order)).toBe(true);
  });

  test.each([
    'key == "ORDER-42"',
    'priority == 2',
    '"missing" in attributes',
    '"Tag" in attributes',
    'priority in [1, 2]',
    'key.contains("x")',
    'key == "a" && (key == "b" || priority == 3)',
  ])('%s does not hold', (text) => {
    expect(parseFilter(text)(order)).toBe(false);
  });

  test.each<[string, RegExp]>([
    ['', /needed/],
    ['key', /string, not a condition/],
    ['priority', /integer, not a condition/],
    ['key ==', /Expected expression after ==/],
    ['key = "a"', /Unexpected/],
    ['key === "a"', /=== is none of/],
    ['name == "a"', /"name" is none of/],
    ['attributes == "a"', /asked for by name/],
    ['attributes.tag == "a"', /only attributes have parts/],
    ['attributes[key] == "a"', /string in quotes/],
    ['key[0] == "a"', /only attributes have parts/],
    ['key == 1', /not string and integer/],
    ['priority == 1.5', /neither a string nor a whole number/],
    ['priority == true', /neither a string nor a whole number/],
    ['priority + 1 == 2', /\+ is none of/],
    ['key in "abc"', /in is followed by/],
    ['key in ["a", 1]', /another type/],
    ['key in ["a",,"b"]', /comma without a value/],
    ['key.matches("(a+)+$")', /the calls are/],
    ['key.constructor("return 1")', /the calls are/],
    ['key["startsWith"]("a")', /the calls are/],
    ['key.startsWith("a", "b")', /the calls are/],
    ['key.startsWith(1)', /integer, not a string/],
    ['priority.startsWith("1")', /integer, not a string/],
    ['(function () { return 1 })()', /./],
    ['this == "a"', /no part of filters/],
    ['key == "a"; key == "b"', /no part of filters/],
    ['key == "a" ? key == "b" : key == "c"', /no part of filters/],
    ['`a` == key', /./],
    ['key == "a', /Unclosed quote/],
    ['-key == "a"', /- is no operator/],
    ['!key', /not a condition/],
    ['__proto__ == "a"', /is none of/],
  ])('%j is refused', (text, problem) => {
    expect(() => parseFilter(text)).toThrow(problem);
    expect(() => parseFilter(text)).toThrow(FilterError);
  });

  it('is refused when it is nested too deeply, at once', () => {
    expect(() => parseFilter(`${'('.repeat(500)}key=="a"${')'.repeat(500)}`)).not.toThrow();
    expect(() => parseFilter(`${'!'.repeat(500)}(key=="a")`)).toThrow('nested more than 64 times');
  });
});

describe('the classic form', () => {
  const holds = (text: string, attributes: Readonly<Record<string, string>>): boolean =>
    parseFilter(text)(message({ attributes }));

  test.each([
    ['tag~a*', 'a', true],
    ['tag~a*', 'alpha', true],
    ['tag~a*', 'Alpha', false],
    ['tag~a*', 'al.pha', false],
    ['tag~a#', 'al.pha', true],
    ['tag~*', '', true],
    ['tag~#', 'any.thing', true],
    ['tag~*.eu.*', 'shop.eu.west', true],
    ['tag~*.eu.*', 'shop.eu.west.1', false],
    ['tag~a*b*c', 'axxbyyc', true],
    ['tag~a*b*c', 'axxbyy', false],
    ['tag~(a+)+$', '(a+)+$', true],
    ['tag~', '', true],
    ['tag~', 'a', false],
    [' tag ~ a* ', 'alpha', true],
  ])('%s of %j: %j', (text, tag, expected) => {
    expect(holds(text, { tag })).toBe(expected);
  });

  it('wants all conditions, and takes a missing attribute as empty', () => {
    expect(holds('tag~a*,region~eu', { tag: 'alpha', region: 'eu' })).toBe(true);
    expect(holds('tag~a*,region~eu', { tag: 'alpha' })).toBe(false);
    expect(holds('tag~a*,region~*', { tag: 'alpha' })).toBe(true);
  });

  test.each(['tag~a,', 'tag~a,b', 'tag~a~b', `tag~${'*a'.repeat(11)}`])('%j is refused', (text) => {
    expect(() => parseFilter(text)).toThrow(FilterError);
  });

  it('takes a long value that nearly matches in one pass', () => {
    expect(holds('tag~#a#a#a#a#a#a#a#a#a#b', { tag: 'a'.repeat(16_000) })).toBe(false);
  });
});
