import jsep from 'jsep';

import { compileCondition } from './compile.js';
import { type Filter, FilterError } from './filter.js';

/** As tightly as the comparisons. */
const IN_PRECEDENCE = 7;

/** Reads a boolean expression. Throws FilterError. */
export function parseExpression(text: string): Filter {
  if (text.trim() === '') {
    throw new FilterError('an expression is needed');
  }
  return compileCondition(parse(text));
}

function parse(text: string): jsep.Expression {
  // The parser's table of operators is shared by all its users; adding one twice changes nothing.
  jsep.addBinaryOp('in', IN_PRECEDENCE);
  try {
    return jsep(text);
  } catch (error) {
    throw new FilterError(problemOf(error));
  }
}

/** `Unexpected "*" at character 4`; text that is nested too deeply ends in an error of another kind. */
function problemOf(error: unknown): string {
  return error instanceof RangeError || !(error instanceof Error) ? 'it is nested too deeply' : error.message;
}
