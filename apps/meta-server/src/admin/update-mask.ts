import { HermesError, invalidField } from '@hermes/contracts';

/** Which fields of a resource an update may name, by the contract's names. */
export interface UpdateRules<T> {
  readonly resource: string;
  readonly changeable: Readonly<Record<string, keyof T>>;
  /** May be named only with the value that they have. */
  readonly fixed: Readonly<Record<string, keyof T>>;
  readonly outputOnly: readonly string[];
}

/** `current` with the masked fields of `given`, not yet validated. A field that is unset there gets its default. */
export function maskedUpdate<T extends object>(
  current: T,
  given: T,
  mask: readonly string[],
  rules: UpdateRules<T>,
): T {
  if (mask.length === 0) {
    throw invalidField('update_mask', 'required: the top-level names of the fields to change');
  }
  const next = { ...current };
  for (const path of mask) {
    const key = keyOf(path, rules);
    if (Object.hasOwn(rules.fixed, path)) {
      refuseChange(path, current[key], given[key], rules);
    }
    next[key] = given[key];
  }
  return next;
}

function keyOf<T>(path: string, { changeable, fixed, outputOnly, resource }: UpdateRules<T>): keyof T {
  const key = Object.hasOwn(changeable, path) ? changeable[path] : Object.hasOwn(fixed, path) ? fixed[path] : undefined;
  if (key === undefined) {
    const problem = outputOnly.includes(path) ? 'is output only' : `is no field of a ${resource}`;
    throw invalidField('update_mask', `${JSON.stringify(path.slice(0, 100))} ${problem}`);
  }
  return key;
}

function refuseChange<T>(path: string, current: unknown, given: unknown, { resource }: UpdateRules<T>): void {
  if (JSON.stringify(current) !== JSON.stringify(given)) {
    const field = `${resource}.${path}`;
    throw new HermesError('IMMUTABLE_FIELD', `${field} is fixed at creation`, { details: { field } });
  }
}
