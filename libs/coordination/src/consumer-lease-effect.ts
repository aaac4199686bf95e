import { type CloseEffect } from './broker-lease-effect.js';
import { type HeldPartition, type LeaseAssignment, type SessionId } from './lease.js';

/**
 * Sends a grant. The answer to a heartbeat has the `sequence`, `member` 0 and prolongs all consumers of the stream; a
 * pushed one has sequence 0, prolongs nothing, and its `assignments` are all that the member holds.
 */
export interface ConsumerGrantEffect {
  readonly kind: 'grant';
  readonly session: SessionId;
  readonly member: number;
  readonly sequence: number;
  readonly ttlMs: number;
  readonly changed: boolean;
  readonly assignments: readonly LeaseAssignment[];
}

/** Asks a consumer to give a partition back. */
export interface ConsumerRevokeEffect {
  readonly kind: 'revoke';
  readonly session: SessionId;
  readonly member: number;
  readonly assignment: LeaseAssignment;
  readonly graceMs: number;
}

/** What the shell does, in this order. Nothing is persisted. */
export type ConsumerLeaseEffect = ConsumerGrantEffect | ConsumerRevokeEffect | CloseEffect;

/** How a group's partitions are dealt. KEY_ORDERED and SHARED are dealt alike. */
export type DealMode = 'EXCLUSIVE' | 'SHARED';

/** A group whose consumers hold leases. */
export interface LeasedGroup {
  readonly topic: string;
  readonly group: string;
  readonly mode: DealMode;
  readonly partitions: number;
  readonly revision: number;
}

/** One consumer of a group as GetCluster shows it. */
export interface ConsumerView {
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
  /** What it holds, by partition. */
  readonly held: readonly { readonly partition: number; readonly epoch: number }[];
  /** False: its stream has ended. It keeps what it holds until its lease ends or it joins again. */
  readonly connected: boolean;
  /** How long its lease lasts unless it is heard. */
  readonly leaseLeftMs: number;
}

/** A consumer that comes. */
export interface ConsumerJoin {
  /** Its number within the stream, from 1; never used twice on a stream, also not after `leave`. */
  readonly member: number;
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
  readonly zone: string;
  /** Partitions that it may hold; 0 = any number. */
  readonly maxPartitions: number;
  readonly held: readonly HeldPartition[];
}
