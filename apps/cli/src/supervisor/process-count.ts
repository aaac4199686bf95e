import { EXIT_CODE, ExitError } from '@hermes/kit';

/** More brokers than any machine has cores for is a slip of the finger. */
const PROCESSES_MAX = 256;

/** The number that `--processes` gives; 1 if unset. Throws ExitError USAGE. */
export function processCount(given: unknown): number {
  if (given === undefined) {
    return 1;
  }
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1 || count > PROCESSES_MAX) {
    throw new ExitError(EXIT_CODE.USAGE, `--processes must be a number from 1 to ${PROCESSES_MAX}`);
  }
  return count;
}
