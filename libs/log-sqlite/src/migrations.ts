/**
 * The shard file's schema, one entry per version (`user_version` = number of entries applied). Entries are never
 * changed once released; lanes' tables are made by `lane-table.ts`, one per lane. A statement on `$lane` is for each
 * of those that there are.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE partition_state (
    topic_id    INTEGER NOT NULL,
    partition   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    settle_seq  INTEGER NOT NULL,
    receipt_key BLOB NOT NULL,
    PRIMARY KEY (topic_id, partition)
  ) WITHOUT ROWID;

  CREATE TABLE lane_state (
    topic_id     INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    lane         INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,  -- logical start, never lowered
    PRIMARY KEY (topic_id, partition, lane)
  ) WITHOUT ROWID;

  CREATE TABLE group_cursor (
    topic_id       INTEGER NOT NULL,
    partition      INTEGER NOT NULL,
    group_id       INTEGER NOT NULL,
    lane           INTEGER NOT NULL,
    floor          INTEGER NOT NULL,
    settled_ranges BLOB NOT NULL,     -- encodeRanges of @hermes/log
    consumer_epoch INTEGER NOT NULL,
    token          INTEGER NOT NULL,
    generation     INTEGER NOT NULL,
    skipped        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic_id, partition, group_id, lane)
  ) WITHOUT ROWID;

  CREATE TABLE retry (
    topic_id   INTEGER NOT NULL,
    partition  INTEGER NOT NULL,
    group_id   INTEGER NOT NULL,
    lane       INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    strikes    INTEGER NOT NULL,
    key_hash   INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    record     BLOB,                  -- set once retention has dropped the lane's own row
    PRIMARY KEY (topic_id, partition, group_id, lane, log_offset)
  ) WITHOUT ROWID;

  CREATE TABLE dead_letter (
    topic_id   INTEGER NOT NULL,
    partition  INTEGER NOT NULL,
    group_id   INTEGER NOT NULL,
    lane       INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    cause      INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    key_hash   INTEGER NOT NULL,
    died_at    INTEGER NOT NULL,
    record     BLOB NOT NULL
  );
  CREATE UNIQUE INDEX dead_letter_identity
    ON dead_letter (topic_id, partition, group_id, lane, log_offset, generation);
  `,
  `
  ALTER TABLE partition_state ADD COLUMN next_schedule_id INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE lane_state ADD COLUMN snapshot_offset INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE schedule (
    topic_id    INTEGER NOT NULL,
    partition   INTEGER NOT NULL,
    schedule_id INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    lane        INTEGER NOT NULL,
    record      BLOB NOT NULL
  );
  CREATE UNIQUE INDEX schedule_identity ON schedule (topic_id, partition, schedule_id);
  CREATE INDEX schedule_due ON schedule (topic_id, partition, due_at, schedule_id);
  `,
  `
  ALTER TABLE $lane ADD COLUMN expires_at INTEGER;
  ALTER TABLE schedule ADD COLUMN expires_at INTEGER;
  ALTER TABLE schedule ADD COLUMN producer_id INTEGER;
  ALTER TABLE schedule ADD COLUMN sequence INTEGER;

  CREATE TABLE producer (
    topic_id  INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    snapshot  BLOB NOT NULL,
    PRIMARY KEY (topic_id, partition)
  );
  `,
  `
  ALTER TABLE group_cursor ADD COLUMN in_flight TEXT;  -- encodeHeld of @hermes/log, in the row of lane 0
  `,
  `
  CREATE INDEX dead_letter_died ON dead_letter (topic_id, partition, group_id, died_at);
  `,
  `
  ALTER TABLE retry ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;  -- of state alone, where each has a record: hasRecord
  `,
];
