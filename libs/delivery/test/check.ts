/** Ends a simulation whose promise is broken. */
export function check(holds: boolean, what: string): asserts holds {
  if (!holds) {
    throw new Error(what);
  }
}
