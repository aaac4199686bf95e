import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of one test. */
export interface TemporaryDirectory extends Disposable {
  readonly path: string;
  /** Deletes it with all that it holds; harmless when it is gone. */
  remove(): void;
}

/** Makes an empty directory; its test removes it. */
export function temporaryDirectory(prefix = 'hermes-'): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const remove = (): void => {
    rmSync(path, { recursive: true, force: true });
  };
  return { path, remove, [Symbol.dispose]: remove };
}
