import { RECORD_KIND } from '@hermes/log';

const PARTITION = 'topic_id = ? AND partition_no = ?';
const GROUP = `${PARTITION} AND group_id = ?`;
const KEY = 'topic_id, partition_no, group_id, lane, log_offset';
const DEAD_LETTER_KEY = `${GROUP} AND lane = ? AND log_offset = ? AND generation = ?`;
const CURSOR = '(topic_id, partition_no, group_id, lane, floor, settled_ranges, consumer_epoch, token, generation)';
const DEAD_LETTER = `(${KEY}, generation, attempts, cause, reason, key_hash, died_at, record)`;

const RETRY = `${KEY}, due_at, attempts, strikes, key_hash, reason, generation`;
const RETRY_COLUMNS = `j.g, j.l, j.o, j.d, j.a, j.s, j.k, j.r, j.n`;
const RETRY_PATHS = `g BIGINT UNSIGNED PATH '$[0]', l TINYINT UNSIGNED PATH '$[1]', o BIGINT UNSIGNED PATH '$[2]',
  d BIGINT PATH '$[3]', a INT UNSIGNED PATH '$[4]', s INT UNSIGNED PATH '$[5]', k INT UNSIGNED PATH '$[6]',
  r TEXT CHARACTER SET utf8mb4 PATH '$[7]', n BIGINT UNSIGNED PATH '$[8]'`;
const RETRY_UPDATE = `due_at = j.d, attempts = j.a, strikes = j.s, key_hash = j.k, reason = j.r, generation = j.n`;

/** Rows deleted by one statement of a sweep. */
export const SWEEP_ROWS = 1_000;

/** The statements on group_cursor, retry and dead_letter. */
export const GROUP_SQL = {
  groupIds: `SELECT DISTINCT group_id FROM group_cursor WHERE ${PARTITION} ORDER BY group_id`,
  cursors: `SELECT lane, floor, settled_ranges, consumer_epoch, token, generation, in_flight, skipped
            FROM group_cursor WHERE ${GROUP} ORDER BY lane`,
  laneFloors: `SELECT floor, settled_ranges FROM group_cursor WHERE ${PARTITION} AND lane = ?`,
  retries: `SELECT lane, log_offset, due_at, attempts, strikes, key_hash, reason, generation,
            record IS NOT NULL AND (detached = 1 OR ? = 0) FROM retry WHERE ${GROUP} ORDER BY lane, log_offset`,
  retryRecord: `SELECT record FROM retry WHERE ${GROUP} AND lane = ? AND log_offset = ? AND record IS NOT NULL`,
  retryCount: `SELECT COUNT(*) FROM retry WHERE ${GROUP}`,
  deadLetterCounts: `SELECT lane, COUNT(*) FROM dead_letter WHERE ${GROUP} GROUP BY lane`,
  // Sizes first: records may be large, and a page holds only so many bytes of them.
  deadLetterSizes: `SELECT log_offset, generation, LENGTH(record) FROM dead_letter
                    WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND (log_offset > ? OR generation >= ?)
                    ORDER BY log_offset, generation LIMIT ?`,
  deadLetters: `SELECT lane, log_offset, generation, attempts, cause, reason, key_hash, died_at, record
                FROM dead_letter
                WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND (log_offset > ? OR generation >= ?)
                ORDER BY log_offset, generation LIMIT ?`,
  oldestDeadLetters: `SELECT lane, log_offset, generation FROM dead_letter
                      WHERE ${GROUP} AND died_at < ? ORDER BY died_at LIMIT ?`,
  newestDeadLetters: `SELECT lane, log_offset, generation FROM dead_letter
                      WHERE ${GROUP} AND died_at < ? ORDER BY died_at DESC LIMIT ?`,

  insertCursor: `INSERT INTO group_cursor ${CURSOR} VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)
                 ON DUPLICATE KEY UPDATE lane = lane`,
  moveCursor: `UPDATE group_cursor SET floor = ?, settled_ranges = ?, skipped = COALESCE(?, skipped) WHERE ${GROUP} AND lane = ?`,
  addCursor: `INSERT INTO group_cursor ${CURSOR}
              SELECT topic_id, partition_no, group_id, ?, ?, ?, consumer_epoch, token, generation
              FROM group_cursor WHERE ${GROUP} ORDER BY lane LIMIT 1`,
  holder: `UPDATE group_cursor SET consumer_epoch = ?, token = ? WHERE ${GROUP}`,
  inFlight: `UPDATE group_cursor SET in_flight = ? WHERE ${GROUP} AND lane = 0`,
  deleteCursors: `DELETE FROM group_cursor WHERE ${GROUP}`,

  upsertRetries: `INSERT INTO retry (${RETRY})
    SELECT ?, ?, ${RETRY_COLUMNS} FROM JSON_TABLE(?, '$[*]' COLUMNS (${RETRY_PATHS})) AS j
    ON DUPLICATE KEY UPDATE ${RETRY_UPDATE}`,
  // Their records go as one binary value that the server slices, as those of an append do.
  upsertRetriesWithRecords: `INSERT INTO retry (${RETRY}, record)
    SELECT ?, ?, ${RETRY_COLUMNS}, j.c FROM (
      SELECT t.*, SUBSTRING(CAST(? AS BINARY), t.b, t.z) AS c
      FROM JSON_TABLE(?, '$[*]' COLUMNS (${RETRY_PATHS}, b INT PATH '$[9]', z INT PATH '$[10]')) AS t) AS j
    ON DUPLICATE KEY UPDATE ${RETRY_UPDATE}, record = COALESCE(retry.record, j.c)`,
  deleteRetries: `DELETE retry FROM JSON_TABLE(?, '$[*]' COLUMNS (
      g BIGINT UNSIGNED PATH '$[0]', l TINYINT UNSIGNED PATH '$[1]', o BIGINT UNSIGNED PATH '$[2]')) AS j
    STRAIGHT_JOIN retry ON retry.group_id = j.g AND retry.lane = j.l AND retry.log_offset = j.o
    WHERE ${PARTITION}`,

  keepRecords: (table: string) => `UPDATE retry JOIN ${table} AS log ON log.log_offset = retry.log_offset
    SET retry.record = log.record
    WHERE ${GROUP} AND lane = ? AND retry.log_offset >= ? AND retry.log_offset < ? AND retry.record IS NULL`,
  detach: `UPDATE retry SET detached = 1
    WHERE ${GROUP} AND lane = ? AND log_offset >= ? AND log_offset < ? AND record IS NOT NULL`,
  insertDeadLetter: `INSERT INTO dead_letter ${DEAD_LETTER} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE lane = lane`,
  insertDeadLetterOfLog: (table: string) => `INSERT INTO dead_letter ${DEAD_LETTER}
    SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, record FROM ${table} WHERE log_offset = ? AND kind = ${RECORD_KIND.message}
    ON DUPLICATE KEY UPDATE dead_letter.lane = dead_letter.lane`,
  insertDeadLetterOfRetry: `INSERT INTO dead_letter ${DEAD_LETTER}
    SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, record FROM retry
    WHERE ${GROUP} AND lane = ? AND log_offset = ? AND record IS NOT NULL
    ON DUPLICATE KEY UPDATE dead_letter.lane = dead_letter.lane`,
  hasDeadLetter: `SELECT 1 FROM dead_letter WHERE ${GROUP} AND lane = ? AND log_offset = ? AND generation = ?`,

  redrive: `INSERT INTO retry (${RETRY}, record, detached)
            SELECT ${KEY}, ?, 0, 0, key_hash, '', generation, record, 1 FROM dead_letter WHERE ${DEAD_LETTER_KEY}
            ON DUPLICATE KEY UPDATE retry.lane = retry.lane`,
  deadLetterDone: `DELETE FROM dead_letter WHERE ${DEAD_LETTER_KEY}`,
  seekGeneration: `UPDATE group_cursor SET generation = ? WHERE ${GROUP}`,
  dropRetries: `DELETE FROM retry WHERE ${GROUP} AND lane = ? AND log_offset >= ?`,

  retryGroups: `SELECT DISTINCT group_id FROM retry WHERE ${PARTITION}`,
  deadLetterGroups: `SELECT DISTINCT group_id FROM dead_letter WHERE ${PARTITION}`,
  sweepRetries: `DELETE FROM retry WHERE ${GROUP} LIMIT ${SWEEP_ROWS}`,
  sweepDeadLetters: `DELETE FROM dead_letter WHERE ${GROUP} LIMIT ${SWEEP_ROWS}`,
} as const;
