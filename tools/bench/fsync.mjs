import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const ROUNDS = 200;

/** Median time of a 4 KiB append and its fsync in `directory`, in ms: what a durable commit costs at least. */
export function measureFsyncMs(directory) {
  const place = mkdtempSync(join(directory, 'fsync-'));
  const file = openSync(join(place, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times = Array.from({ length: ROUNDS }, () => {
    const startedAt = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  rmSync(place, { recursive: true, force: true });
  return times.sort((a, b) => a - b)[ROUNDS / 2];
}
