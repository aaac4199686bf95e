import { EXIT_CODE, ExitError } from '@hermes/kit';

/** An update that names no field changes nothing, which nobody means. */
export function requireChange(fields: string[]): string[] {
  if (fields.length === 0) {
    throw new ExitError(EXIT_CODE.USAGE, 'nothing to update: name what shall change, see --help');
  }
  return fields;
}
