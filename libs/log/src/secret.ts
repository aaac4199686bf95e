import { readFile } from 'node:fs/promises';

import { StoreError } from './store-error.js';

/** Where a secret is found: `file:PATH` (trailing line ends are cut) or `env:NAME`. Never the secret itself. */
export type SecretReference = `file:${string}` | `env:${string}`;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads a secret anew at each call, so that it can be changed while we run. Errors name the reference alone. */
export async function readSecret(reference: SecretReference, environment: Environment): Promise<string> {
  if (reference.startsWith('env:')) {
    const value = environment[reference.slice('env:'.length)];
    if (value === undefined) {
      throw new StoreError('unavailable', `${reference} is not set`);
    }
    return value;
  }
  try {
    return (await readFile(reference.slice('file:'.length), 'utf8')).replace(/[\r\n]+$/, '');
  } catch {
    // The cause is left out: all that matters is which reference it was.
    throw new StoreError('unavailable', `${reference} cannot be read`);
  }
}
