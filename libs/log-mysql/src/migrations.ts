/** Columns that every shared table begins with. */
const PARTITION = `
  topic_id     BIGINT UNSIGNED NOT NULL,
  partition_no INT UNSIGNED NOT NULL`;

const GROUP_ROW = `${PARTITION},
  group_id     BIGINT UNSIGNED NOT NULL,
  lane         TINYINT UNSIGNED NOT NULL,
  log_offset   BIGINT UNSIGNED NOT NULL`;

const ENGINE = 'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

/**
 * The shared tables, one entry per schema version. Entries only add, since an older broker may run beside, and are
 * never changed once released. MySQL commits each statement of definition by itself, so each can be repeated.
 * Lanes' tables are made by `lane-table.ts`, one per lane; a statement on `$lane` is for each of those that there are.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    // The one row that fences a partition's state.
    `CREATE TABLE IF NOT EXISTS partition_state (${PARTITION},
      epoch            BIGINT UNSIGNED NOT NULL,
      incarnation      BIGINT UNSIGNED NOT NULL,
      connection_id    BIGINT UNSIGNED NOT NULL,  -- where the owner's transactions run, so that a newer one can end them
      settle_seq       BIGINT UNSIGNED NOT NULL,
      next_schedule_id BIGINT UNSIGNED NOT NULL,
      receipt_key      BINARY(32) NOT NULL,
      PRIMARY KEY (topic_id, partition_no)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS lane_state (${PARTITION},
      lane             TINYINT UNSIGNED NOT NULL,
      first_offset     BIGINT UNSIGNED NOT NULL,  -- logical start, never lowered
      snapshot_offset  BIGINT UNSIGNED NOT NULL,
      PRIMARY KEY (topic_id, partition_no, lane)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS group_cursor (${PARTITION},
      group_id         BIGINT UNSIGNED NOT NULL,
      lane             TINYINT UNSIGNED NOT NULL,
      floor            BIGINT UNSIGNED NOT NULL,
      settled_ranges   MEDIUMBLOB NOT NULL,       -- encodeRanges of @hermes/log
      consumer_epoch   BIGINT UNSIGNED NOT NULL,
      token            BIGINT UNSIGNED NOT NULL,
      generation       BIGINT UNSIGNED NOT NULL,
      skipped          BIGINT UNSIGNED NOT NULL DEFAULT 0,
      PRIMARY KEY (topic_id, partition_no, group_id, lane)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS retry (${GROUP_ROW},
      due_at           BIGINT NOT NULL,
      attempts         INT UNSIGNED NOT NULL,
      strikes          INT UNSIGNED NOT NULL,
      key_hash         INT UNSIGNED NOT NULL,
      reason           TEXT NOT NULL,
      generation       BIGINT UNSIGNED NOT NULL,
      record           MEDIUMBLOB NULL,           -- set once retention has dropped the lane's own row
      PRIMARY KEY (topic_id, partition_no, group_id, lane, log_offset),
      KEY due (topic_id, partition_no, group_id, due_at)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS dead_letter (${GROUP_ROW},
      generation       BIGINT UNSIGNED NOT NULL,
      attempts         INT UNSIGNED NOT NULL,
      cause            TINYINT UNSIGNED NOT NULL,
      reason           TEXT NOT NULL,
      key_hash         INT UNSIGNED NOT NULL,
      died_at          BIGINT NOT NULL,
      record           MEDIUMBLOB NOT NULL,
      PRIMARY KEY (topic_id, partition_no, group_id, lane, log_offset, generation)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS schedule (${PARTITION},
      schedule_id      BIGINT UNSIGNED NOT NULL,
      due_at           BIGINT NOT NULL,
      lane             TINYINT UNSIGNED NOT NULL,
      producer_id      BIGINT UNSIGNED NULL,
      sequence         BIGINT UNSIGNED NULL,
      record           MEDIUMBLOB NOT NULL,
      PRIMARY KEY (topic_id, partition_no, schedule_id),
      KEY due (topic_id, partition_no, due_at)
    ) ${ENGINE}`,
    `CREATE TABLE IF NOT EXISTS producer (${PARTITION},
      snapshot         LONGBLOB NOT NULL,
      PRIMARY KEY (topic_id, partition_no)
    ) ${ENGINE}`,
  ],
  ['ALTER TABLE $lane ADD COLUMN expires_at BIGINT NULL', 'ALTER TABLE schedule ADD COLUMN expires_at BIGINT NULL'],
  // encodeHeld of @hermes/log, in the row of lane 0: what a graceful move hands over.
  ['ALTER TABLE group_cursor ADD COLUMN in_flight MEDIUMTEXT NULL'],
  ['ALTER TABLE dead_letter ADD KEY died (topic_id, partition_no, group_id, died_at)'],
  // Of state alone, where each retry has a record: hasRecord.
  ['ALTER TABLE retry ADD COLUMN detached TINYINT NOT NULL DEFAULT 0'],
];

/** The shared tables that hold rows of a partition, in the order in which they are emptied with it. */
export const PARTITION_TABLES = ['group_cursor', 'retry', 'dead_letter', 'schedule', 'producer'] as const;
