// Raw better-sqlite3: the same rows as the embedded store's, in the same number of files, each file in a process of
// its own, committed durably in batches.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import Database from 'better-sqlite3';

import { encodedMessage } from '../shapes.mjs';

function openFile(directory) {
  const db = new Database(join(directory, 'raw.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(
    `CREATE TABLE lane (log_offset INTEGER PRIMARY KEY, kind INTEGER NOT NULL, epoch INTEGER NOT NULL,
       append_id INTEGER NOT NULL, appended_at INTEGER NOT NULL, producer_id INTEGER, sequence INTEGER,
       schedule_id INTEGER, crc32 INTEGER NOT NULL, ref_key BLOB, record BLOB NOT NULL)`,
  );
  return db;
}

/** Inserts batches of `batchRows` durably for `measureMs`; gives rows per second. */
export function run({ directory, batchRows, measureMs }) {
  const place = mkdtempSync(join(directory, 'raw-'));
  const db = openFile(place);
  try {
    const insert = db.prepare('INSERT INTO lane VALUES (?, 0, 1, ?, ?, NULL, NULL, NULL, ?, NULL, ?)');
    let offset = 0;
    const commit = db.transaction(() => {
      const [appendId, now] = [Math.floor(Math.random() * 2 ** 50), Date.now()];
      for (let i = 0; i < batchRows; i += 1) {
        insert.run(offset, appendId, now, crc32(encodedMessage), encodedMessage);
        offset += 1;
      }
    });
    const endAt = performance.now() + measureMs;
    const startedAt = performance.now();
    while (performance.now() < endAt) {
      commit();
    }
    return (offset / (performance.now() - startedAt)) * 1000;
  } finally {
    db.close();
    rmSync(place, { recursive: true, force: true });
  }
}
