import { type HermesError, invalidField } from './hermes-error.js';
import { LIMITS } from './limits.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

function problemOf(name: string, maxBytes: number): string | undefined {
  if (name.length >= 1 && name.length <= maxBytes && NAME.test(name)) {
    return undefined;
  }
  return `a letter or digit, then letters, digits, '.', '_', '-'; 1 to ${maxBytes} bytes`;
}

function check(field: string, name: string, maxBytes: number): HermesError | undefined {
  const problem = problemOf(name, maxBytes);
  return problem === undefined ? undefined : invalidField(field, problem);
}

/** The INVALID_FIELD that a topic's name deserves, if any. */
export function checkTopicName(name: string, field = 'topic'): HermesError | undefined {
  return check(field, name, LIMITS.resourceNameBytes);
}

/** The INVALID_FIELD that a group's name deserves, if any. */
export function checkGroupName(name: string, field = 'group'): HermesError | undefined {
  return check(field, name, LIMITS.resourceNameBytes);
}

/** The same for all other names: consumers, brokers, broker groups, zones, data sources. */
export function checkName(name: string, field: string): HermesError | undefined {
  return check(field, name, LIMITS.nameBytes);
}

/** True if `name` may name a topic or a group. */
export function isResourceName(name: string): boolean {
  return problemOf(name, LIMITS.resourceNameBytes) === undefined;
}
