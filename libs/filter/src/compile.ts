import type jsep from 'jsep';

import { type Filter, FilterError, type FilterSubject } from './filter.js';

/** Parentheses and operators within each other. */
const DEPTH_MAX = 64;

/** A value of an expression, by its type: types are checked when it is compiled, so that no message can fail. */
type Compiled =
  | { readonly type: 'boolean'; readonly of: Filter }
  | { readonly type: 'string'; readonly of: (subject: FilterSubject) => string }
  | { readonly type: 'integer'; readonly of: (subject: FilterSubject) => number };

const ORDER: Readonly<Record<string, (a: string | number, b: string | number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

const METHODS: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
  contains: (text, part) => text.includes(part),
};

/** Turns a parsed expression into a function. Throws FilterError for what is not of the language, or no condition. */
export function compileCondition(expression: jsep.Expression): Filter {
  return booleanOf(compile(expression, 0), 'the expression');
}

function compile(expression: jsep.Expression | null, depth: number): Compiled {
  if (expression === null) {
    throw new FilterError('a list has a comma without a value');
  }
  if (depth > DEPTH_MAX) {
    throw new FilterError(`it is nested more than ${DEPTH_MAX} times`);
  }
  const node = expression as jsep.CoreExpression;
  switch (node.type) {
    case 'Literal':
      return compileLiteral(node);
    case 'Identifier':
      return compileField(node.name);
    case 'UnaryExpression':
      return compileUnary(node, depth);
    case 'BinaryExpression':
      return compileBinary(node, depth);
    case 'MemberExpression':
      return compileAttribute(node);
    case 'CallExpression':
      return compileMethod(node, depth);
    default:
      throw new FilterError(`it has something that is no part of filters (${node.type})`);
  }
}

function compileLiteral({ value, raw }: jsep.Literal): Compiled {
  if (typeof value === 'string') {
    return { type: 'string', of: () => value };
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    return { type: 'integer', of: () => value };
  }
  throw new FilterError(`${raw} is neither a string nor a whole number`);
}

function compileField(name: string): Compiled {
  switch (name) {
    case 'key':
      return { type: 'string', of: ({ key }) => key };
    case 'ref_key':
      return { type: 'string', of: ({ refKey }) => refKey };
    case 'priority':
      return { type: 'integer', of: ({ priority }) => priority };
    case 'attributes':
      throw new FilterError('attributes are asked for by name: attributes["name"], or "name" in attributes');
    default:
      throw new FilterError(`"${name}" is none of key, ref_key, priority and attributes`);
  }
}

function compileUnary({ operator, argument }: jsep.UnaryExpression, depth: number): Compiled {
  const value = compile(argument, depth + 1);
  if (operator === '!') {
    const condition = booleanOf(value, 'what follows !');
    return { type: 'boolean', of: (subject) => !condition(subject) };
  }
  if (operator === '-' && value.type === 'integer') {
    return { type: 'integer', of: (subject) => -value.of(subject) };
  }
  throw new FilterError(`${operator} is no operator here`);
}

function compileBinary({ operator, left, right }: jsep.BinaryExpression, depth: number): Compiled {
  if (operator === 'in') {
    return { type: 'boolean', of: compileIn(left, right, depth) };
  }
  const [a, b] = [compile(left, depth + 1), compile(right, depth + 1)];
  if (operator === '&&' || operator === '||') {
    const [first, second] = [booleanOf(a, `what precedes ${operator}`), booleanOf(b, `what follows ${operator}`)];
    return {
      type: 'boolean',
      of:
        operator === '&&'
          ? (subject) => first(subject) && second(subject)
          : (subject) => first(subject) || second(subject),
    };
  }
  const compare = Object.hasOwn(ORDER, operator) ? ORDER[operator] : undefined;
  if (compare === undefined) {
    throw new FilterError(`${operator} is none of == != < <= > >= in && ||`);
  }
  if (a.type === 'boolean' || a.type !== b.type) {
    throw new FilterError(`${operator} compares two strings or two whole numbers, not ${a.type} and ${b.type}`);
  }
  return { type: 'boolean', of: (subject) => compare(a.of(subject), b.of(subject)) };
}

/** `"name" in attributes`, `key in ["a", "b"]`, `priority in [1, 2]` */
function compileIn(left: jsep.Expression, right: jsep.Expression, depth: number): Filter {
  if (right.type === 'Identifier' && right['name'] === 'attributes') {
    const name = literalString(left, 'an attribute’s name');
    return (subject) => subject.attribute(name) !== undefined;
  }
  if (right.type !== 'ArrayExpression') {
    throw new FilterError('in is followed by attributes or by a list such as ["a", "b"]');
  }
  const value = compile(left, depth + 1);
  const items = (right as jsep.ArrayExpression).elements.map((item) => compile(item, depth + 1));
  if (value.type === 'boolean' || items.some(({ type }) => type !== value.type)) {
    throw new FilterError(`the list after in has values of another type than ${value.type}`);
  }
  return (subject) => {
    const sought = value.of(subject);
    return items.some((item) => item.of(subject) === sought);
  };
}

/** `attributes["name"]`; a missing one is empty. */
function compileAttribute({ object, property, computed }: jsep.MemberExpression): Compiled {
  if (!computed || object.type !== 'Identifier' || object['name'] !== 'attributes') {
    throw new FilterError('only attributes have parts: attributes["name"]');
  }
  const name = literalString(property, 'an attribute’s name');
  return { type: 'string', of: (subject) => subject.attribute(name) ?? '' };
}

/** `key.startsWith("a")` */
function compileMethod({ callee, arguments: given }: jsep.CallExpression, depth: number): Compiled {
  const method = callee.type === 'MemberExpression' ? (callee as jsep.MemberExpression) : undefined;
  const name = method?.computed === false ? (method.property as jsep.Identifier).name : '';
  const test = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  const [argument, ...more] = given;
  if (method === undefined || test === undefined || argument === undefined || more.length > 0) {
    throw new FilterError('the calls are .startsWith("…"), .endsWith("…") and .contains("…")');
  }
  const text = stringOf(compile(method.object, depth + 1), `what precedes .${name}`);
  const part = stringOf(compile(argument, depth + 1), `what .${name} looks for`);
  return { type: 'boolean', of: (subject) => test(text(subject), part(subject)) };
}

function literalString(expression: jsep.Expression, what: string): string {
  const { value } = expression as Partial<jsep.Literal>;
  if (expression.type !== 'Literal' || typeof value !== 'string') {
    throw new FilterError(`${what} is a string in quotes`);
  }
  return value;
}

function booleanOf(compiled: Compiled, what: string): Filter {
  if (compiled.type !== 'boolean') {
    throw new FilterError(`${what} is a ${compiled.type}, not a condition`);
  }
  return compiled.of;
}

function stringOf(compiled: Compiled, what: string): (subject: FilterSubject) => string {
  if (compiled.type !== 'string') {
    throw new FilterError(`${what} is a ${compiled.type}, not a string`);
  }
  return compiled.of;
}
