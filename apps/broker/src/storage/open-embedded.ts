import { EXIT_CODE, type ExitCode, ExitError } from '@hermes/kit';
import { StoreError, type StoreErrorKind } from '@hermes/log';
import { type EmbeddedEngine, openEmbeddedEngine } from '@hermes/log-sqlite';
import { type Clock } from '@hermes/runtime';

/** How a process ends whose data directory cannot be had. */
const EXIT_CODES: Partial<Record<StoreErrorKind, ExitCode>> = {
  directoryHeld: EXIT_CODE.UNAVAILABLE,
  directoryUnusable: EXIT_CODE.CONFIG,
  schemaNewer: EXIT_CODE.CONFIG,
};

/** Opens the embedded storage; a failure becomes an ExitError with a plain sentence. */
export async function openEmbedded(
  directory: string,
  clock: Clock,
  onFatal: (error: unknown) => void,
): Promise<EmbeddedEngine> {
  try {
    return await openEmbeddedEngine({ directory, clock, onFatal });
  } catch (error) {
    if (error instanceof StoreError) {
      throw new ExitError(EXIT_CODES[error.kind] ?? EXIT_CODE.UNAVAILABLE, error.message, { cause: error });
    }
    throw error;
  }
}
