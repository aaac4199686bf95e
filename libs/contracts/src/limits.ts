const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A number that a request may give: its default when unset, and what is allowed. */
export interface Bounds {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** The numbers of the contract. Servers enforce them, clients may check them early. */
export const LIMITS = {
  /** Topic and group names, in bytes (they are ASCII). */
  resourceNameBytes: 200,
  /** Names of consumers, brokers, groups of brokers, zones and data sources, in bytes. */
  nameBytes: 128,

  publishMessages: 1_000,
  /** A producer's numbers for its messages. */
  sequenceMax: 2 ** 52 - 1,
  /** Requests stay below this, or hold one message. */
  requestBytes: 4 * MIB,
  /** Responses and stream frames stay below this, or hold one message. */
  frameBytes: 1 * MIB,
  /** What the transport lets through; above requestBytes, for one message of the largest topic. */
  transportBytes: 10 * MIB,

  keyBytes: 255,
  refKeyBytes: 128,
  attributes: 64,
  /** Names and values of all attributes together. */
  attributeBytes: 16 * KIB,
  contentTypeBytes: 128,
  idempotencyKeyBytes: 128,
  /**
   * What a Message may have besides its body: all other fields at their limits, with room for fields of later versions.
   * Without it, unknown or repeated fields would carry any amount past max_body_bytes.
   */
  messageOverheadBytes: 32 * KIB,

  /** A broker's share of the partitions, in proportion to that of others. */
  brokerWeight: { default: 1, min: 0.1, max: 100 },

  inFlightMessages: { default: 1_000, min: 1, max: 10_000 },
  inFlightBytes: { default: 16 * MIB, min: 1 * MIB, max: 256 * MIB },
  ackDeadlineMs: { default: 30 * SECOND_MS, min: 1 * SECOND_MS, max: 12 * HOUR_MS },
  pullMessages: { default: 1, min: 1, max: 1_000 },
  pullWaitMs: { default: 0, min: 0, max: 30 * SECOND_MS },
  ackEntries: 10_000,
  ackReasonBytes: 1 * KIB,
  nackDelayMs: 12 * HOUR_MS,
  /** RETURN comes again no earlier. */
  returnDelayMs: 100,
  receiptBytes: 48,
  filterBytes: 1 * KIB,

  partitions: { default: 4, min: 1, max: 1_024 },
  priorityLevels: { default: 1, min: 1, max: 10 },
  bodyBytes: { default: 1 * MIB, min: 1, max: 8 * MIB },
  maxAttempts: { default: 16, min: 1, max: 100 },
  retentionAgeMs: 7 * DAY_MS,
  hardRetentionAgeMs: 30 * DAY_MS,
  retryInitialMs: 1 * SECOND_MS,
  retryMaxMs: 5 * MINUTE_MS,
  retryMultiplier: 2,
  retryJitter: 0.2,

  pageSize: { default: 100, min: 1, max: 1_000 },
  deadLetterIds: 1_000,

  /** A subscription says something after this long without a frame. */
  heartbeatMs: 5 * SECOND_MS,
  /** A subscription that was silent for so long is broken. */
  silenceMs: 15 * SECOND_MS,
  /** A broken subscription may be resumed for so long. */
  resumeMs: 2 * SECOND_MS,
  drainGraceMs: 5 * SECOND_MS,
  /** A subscriber that has not read for so long ends with SLOW_CONSUMER. */
  slowConsumerMs: 60 * SECOND_MS,
  leaseTtlMs: 10 * SECOND_MS,
  clientDeadlineMs: 10 * SECOND_MS,
  serverDeadlineMs: 30 * SECOND_MS,
} as const satisfies Record<string, number | Bounds>;
