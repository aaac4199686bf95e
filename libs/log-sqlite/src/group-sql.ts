const GROUP = 'topic_id = ? AND partition = ? AND group_id = ?';
const PARTITION = 'topic_id = ? AND partition = ?';
const DEAD_LETTER = `${GROUP} AND lane = ? AND log_offset = ? AND generation = ?`;
const KEY = 'topic_id, partition, group_id, lane, log_offset';

/** The statements on group_cursor, retry and dead_letter. */
export const GROUP_SQL = {
  groupIds: `SELECT DISTINCT group_id FROM group_cursor WHERE ${PARTITION}`,
  cursors: `SELECT lane, floor, settled_ranges AS settledRanges, skipped, consumer_epoch AS consumerEpoch, token, generation,
            in_flight AS inFlight
            FROM group_cursor WHERE ${GROUP} ORDER BY lane`,
  laneFloors: `SELECT floor, settled_ranges AS settledRanges FROM group_cursor WHERE ${PARTITION} AND lane = ?`,
  retries: `SELECT lane, log_offset AS offset, due_at AS dueAtMs, attempts, strikes, key_hash AS keyHash, reason,
            generation, record IS NOT NULL AND (detached OR NOT ?) AS hasRecord FROM retry WHERE ${GROUP} ORDER BY lane, log_offset`,
  retryCount: `SELECT count(*) FROM retry WHERE ${GROUP}`,
  deadLetterCounts: `SELECT lane, count(*) AS count FROM dead_letter WHERE ${GROUP} GROUP BY lane`,
  deadLetters: `SELECT lane, log_offset AS offset, generation, attempts, cause, reason, key_hash AS keyHash,
                died_at AS diedAtMs, record FROM dead_letter
                WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND (log_offset > ? OR generation >= ?)
                ORDER BY log_offset, generation LIMIT ?`,
  oldestDeadLetters: `SELECT lane, log_offset AS offset, generation FROM dead_letter
                      WHERE ${GROUP} AND died_at < ? ORDER BY died_at LIMIT ?`,
  newestDeadLetters: `SELECT lane, log_offset AS offset, generation FROM dead_letter
                      WHERE ${GROUP} AND died_at < ? ORDER BY died_at DESC LIMIT ?`,

  insertCursor: `INSERT INTO group_cursor
                 (topic_id, partition, group_id, lane, floor, settled_ranges, consumer_epoch, token, generation)
                 VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING`,
  moveCursor: `UPDATE group_cursor SET floor = ?, settled_ranges = ?, skipped = coalesce(?, skipped) WHERE ${GROUP} AND lane = ?`,
  addCursor: `INSERT INTO group_cursor
              (topic_id, partition, group_id, lane, floor, settled_ranges, consumer_epoch, token, generation)
              SELECT topic_id, partition, group_id, ?, ?, ?, consumer_epoch, token, generation
              FROM group_cursor WHERE ${GROUP} ORDER BY lane LIMIT 1`,
  holder: `UPDATE group_cursor SET consumer_epoch = ?, token = ? WHERE ${GROUP}`,
  inFlight: `UPDATE group_cursor SET in_flight = ? WHERE ${GROUP} AND lane = 0`,
  deleteCursors: `DELETE FROM group_cursor WHERE ${GROUP}`,
  deleteAllCursors: `DELETE FROM group_cursor WHERE ${PARTITION}`,

  upsertRetry: `INSERT INTO retry (${KEY}, due_at, attempts, strikes, key_hash, reason, generation, record)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (${KEY}) DO UPDATE SET
                  due_at = excluded.due_at, attempts = excluded.attempts, strikes = excluded.strikes,
                  key_hash = excluded.key_hash, reason = excluded.reason, generation = excluded.generation,
                  record = coalesce(retry.record, excluded.record)`,
  retryDone: `DELETE FROM retry WHERE ${GROUP} AND lane = ? AND log_offset = ?`,
  retryRecord: `SELECT record FROM retry WHERE ${GROUP} AND lane = ? AND log_offset = ? AND record IS NOT NULL`,
  withoutRecord: `SELECT log_offset FROM retry
                  WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND log_offset < ? AND record IS NULL`,
  keepRecord: `UPDATE retry SET record = ? WHERE ${GROUP} AND lane = ? AND log_offset = ?`,
  detach: `UPDATE retry SET detached = 1
           WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND log_offset < ? AND record IS NOT NULL`,
  hasDeadLetter: `SELECT 1 FROM dead_letter WHERE ${DEAD_LETTER}`,
  insertDeadLetter: `INSERT INTO dead_letter
                     (${KEY}, generation, attempts, cause, reason, key_hash, died_at, record)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,

  redrive: `INSERT INTO retry (${KEY}, due_at, attempts, strikes, key_hash, reason, generation, record, detached)
            SELECT ${KEY}, ?, 0, 0, key_hash, '', generation, record, 1 FROM dead_letter WHERE ${DEAD_LETTER}
            ON CONFLICT DO NOTHING`,
  deadLetterDone: `DELETE FROM dead_letter WHERE ${DEAD_LETTER}`,
  seekGeneration: `UPDATE group_cursor SET generation = ? WHERE ${GROUP}`,
  dropRetries: `DELETE FROM retry WHERE ${GROUP} AND lane = ? AND log_offset >= ?`,

  nextRetryGroup: `SELECT min(group_id) FROM retry WHERE ${PARTITION} AND group_id > ?`,
  nextDeadLetterGroup: `SELECT min(group_id) FROM dead_letter WHERE ${PARTITION} AND group_id > ?`,
  deleteRetries: `DELETE FROM retry WHERE (${KEY}) IN (SELECT ${KEY} FROM retry WHERE ${GROUP} LIMIT ?)`,
  deleteDeadLetters: `DELETE FROM dead_letter WHERE rowid IN (SELECT rowid FROM dead_letter WHERE ${GROUP} LIMIT ?)`,
} as const;

export type GroupSqlName = keyof typeof GROUP_SQL;
