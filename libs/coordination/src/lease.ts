/** One partition of one topic. */
export interface PartitionRef {
  readonly topic: string;
  readonly partition: number;
}

/** A partition with the fencing number under which it is held: a broker's epoch, or a consumer_epoch. */
export interface HeldPartition extends PartitionRef {
  readonly epoch: number;
}

/** What a holder is told about a partition that it holds. */
export interface LeaseAssignment extends HeldPartition {
  /** For consumers: the owner's host:port, empty while it has none. For brokers empty. */
  readonly endpoint: string;
  /** Revision of the topic and its groups; grown: read them again. */
  readonly revision: number;
  /** True once the partition was ready: its storage must exist. */
  readonly created: boolean;
  /** The data directory (or data source) that holds the partition; empty if any broker may open it. */
  readonly dataSource: string;
}

/** A route as callers need it; an empty endpoint means no owner. */
export interface Route {
  readonly partition: number;
  readonly endpoint: string;
  readonly epoch: number;
}

/** Routes of one topic that changed; `partitionCount` 0: there is no such topic. */
export interface TopicRoutes {
  readonly topic: string;
  readonly partitionCount: number;
  readonly routes: readonly Route[];
}

/** Identifies a lease stream; never used twice in one process. */
export type SessionId = number | string;

/** Why a lease stream is ended by the meta-server. */
export const CLOSE_REASON = {
  /** A newer stream of the same process has taken its place. */
  replaced: 'replaced',
  /** A newer process of the same name or data directory, or a newer consumer of the same name: FENCED. */
  fenced: 'fenced',
  /** No heartbeat within the TTL; the holder registers again, without what it held. */
  expired: 'expired',
  /** Another live process has this name, elsewhere and with another data directory: RESOURCE_IN_USE. */
  nameInUse: 'nameInUse',
  /** There are as many brokers, or consumers, as there can be: QUOTA_EXCEEDED. */
  tooMany: 'tooMany',
  /** The topic or group of the stream's only consumer does not exist: GROUP_NOT_FOUND. */
  unknownGroup: 'unknownGroup',
  /** Said something before it registered, or after its lease ended. */
  notRegistered: 'notRegistered',
} as const;
export type CloseReason = (typeof CLOSE_REASON)[keyof typeof CLOSE_REASON];

/** Length of a lease if nothing else is configured. */
export const LEASE_TTL_DEFAULT_MS = 10_000;

/** The meta-server counts a lease longer by this than its holder: it covers 5 % of clock error at the default TTL. */
export const LEASE_MARGIN_MS = 500;

/** Changes within this time are one push. */
export const COALESCE_MS = 20;

/** How long a holder may take to finish what it is asked to give back; then it is asked again. */
export const REVOKE_GRACE_MS = 5_000;

/** After a stream's end or an election: time to register again before anything is done about it. */
export const SETTLE_MS = 1_000;

/**
 * After an election what is new is placed in a data directory, for good, once all owners of before are back or known to be
 * gone, and after this time at the latest: the first one back would get all of it.
 */
export const PLACING_PATIENCE_MS = 5_000;

/** How long a lease lasts yet, in whole milliseconds. */
export function leftMs({ untilMs }: { readonly untilMs: number }, nowMs: number): number {
  return Math.max(0, Math.floor(untilMs - nowMs));
}

/** A key for maps. Topic names hold no slash. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
