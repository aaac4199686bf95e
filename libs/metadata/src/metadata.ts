import { type DataSource, type Group, type Topic } from '@hermes/contracts';
import {
  type BrokerProcess,
  type PersistedAssignment,
  type PersistedBroker,
  type PersistEffect,
} from '@hermes/coordination';

import { type Leader, type Leadership } from './leadership.js';

/** A topic as stored. `config` has its defaults filled in and its output-only fields empty. */
export interface TopicRecord {
  /** Never reused. */
  readonly id: number;
  readonly config: Topic;
  /** Grows with each change of the topic or of one of its groups. */
  readonly revision: number;
  /** The revision at which the topic itself changed last. */
  readonly configRevision: number;
  readonly createdAtMs: number;
}

/** A group as stored. `config` has its defaults filled in and its output-only fields empty. */
export interface GroupRecord {
  /** Never reused. */
  readonly id: number;
  readonly config: Group;
  /** The topic's revision at which the group was created. */
  readonly createdRevision: number;
  /** The topic's revision at which the group changed last. */
  readonly configRevision: number;
  readonly createdAtMs: number;
  /** True once every partition had stored the group's start. */
  readonly active: boolean;
}

/** A data source as stored. */
export interface DataSourceRecord {
  readonly config: DataSource;
  readonly createdAtMs: number;
}

/** All that the leases remember. An assignment's row lives as long as its topic: no epoch is ever granted twice. */
export interface LeaseState {
  readonly assignments: readonly PersistedAssignment[];
  readonly brokers: readonly PersistedBroker[];
}

/** What the leases write, in one transaction. */
export type LeaseChanges = Omit<PersistEffect, 'kind'>;

/** A part of a list that is ordered by name. */
export interface PageRequest {
  /** Names above this one; empty = from the first. */
  readonly after: string;
  readonly limit: number;
}

/** Answer of `create`: `created` is false when the name was taken, and `record` is then what has it. */
export interface CreateOutcome<T> {
  readonly record: T;
  readonly created: boolean;
}

/** Topics by name. All changes are durable once the promise resolves. */
export interface TopicStore {
  /** Stores a new topic at revision 1. */
  create(config: Topic, createdAtMs: number): Promise<CreateOutcome<TopicRecord>>;
  get(name: string): Promise<TopicRecord | undefined>;
  list(page: PageRequest): Promise<TopicRecord[]>;
  /**
   * Replaces the config by `change(current)` in one transaction and raises the revision, unless both are equal.
   * What `change` throws is thrown, and nothing is changed. Undefined: there is no such topic.
   */
  update(name: string, change: (current: TopicRecord) => Topic): Promise<TopicRecord | undefined>;
  /** Deletes the topic with its groups and assignments after `check(current)`, which may throw. */
  delete(name: string, check: (current: TopicRecord) => void): Promise<TopicRecord | undefined>;
  /** Number of topics and of all their partitions. */
  totals(): Promise<{ topics: number; partitions: number }>;
}

/** Groups by topic and name. Each change raises the topic's revision, which is returned with it. */
export interface GroupStore {
  /** Undefined: there is no such topic. */
  create(config: Group, createdAtMs: number): Promise<(CreateOutcome<GroupRecord> & TopicRevision) | undefined>;
  get(topic: string, name: string): Promise<GroupRecord | undefined>;
  list(topic: string, page: PageRequest): Promise<GroupRecord[]>;
  /** As for topics. */
  update(
    topic: string,
    name: string,
    change: (current: GroupRecord) => Group,
  ): Promise<({ record: GroupRecord } & TopicRevision) | undefined>;
  delete(
    topic: string,
    name: string,
    check: (current: GroupRecord) => void,
  ): Promise<({ record: GroupRecord } & TopicRevision) | undefined>;
  /** Notes that the group's start is stored in every partition; idempotent, no new revision. */
  activate(id: number): Promise<void>;
  /** Number of groups of a topic. */
  count(topic: string): Promise<number>;
}

/** What became of a deletion; `usedBy` names a topic that needs the data source. */
export type DataSourceDeletion = 'deleted' | 'missing' | { readonly usedBy: string };

/** Data sources by name; they never change. */
export interface DataSourceStore {
  create(config: DataSource, createdAtMs: number): Promise<CreateOutcome<DataSourceRecord>>;
  get(name: string): Promise<DataSourceRecord | undefined>;
  list(page: PageRequest): Promise<DataSourceRecord[]>;
  /** Deletes it unless a topic names it or has a partition there. */
  delete(name: string): Promise<DataSourceDeletion>;
  count(): Promise<number>;
}

/** The topic's revision after a change of one of its groups. */
export interface TopicRevision {
  readonly topicRevision: number;
}

/** The leases' memory. */
export interface LeaseStore {
  load(): Promise<LeaseState>;
  /** Writes all of it in one transaction; assignments of topics that are gone are passed over. */
  save(changes: LeaseChanges): Promise<void>;
  /** Notes the TTL that brokers are granted from now on; gives the one of before, 0 if there was none. */
  replaceTtl(ttlMs: number): Promise<number>;
}

/** The leader's side of leases that brokers renew in the database. Only databases that brokers can reach have it. */
export interface BrokerLeaseStore {
  /**
   * Ends the lease of `process`, which can renew it no more, unless it lasts longer than `lastsAtMostMs` from now, by
   * the database's clock. Gives how long it lasts instead, in ms; 0: it has ended, or was never renewed here.
   */
  end(process: BrokerProcess, lastsAtMostMs: number): Promise<number>;
}

/**
 * The metadata, as its leader has it. Every method may throw HermesError STORAGE_UNAVAILABLE or STORAGE_FULL:
 * nothing was changed; each that changes something also NOT_LEADER, and OUTCOME_UNKNOWN when leadership ended before
 * that was known.
 */
export interface Metadata extends MetadataReads {
  readonly leadership: Leadership;
  readonly topics: TopicStore;
  readonly groups: GroupStore;
  readonly dataSources: DataSourceStore;
  readonly leases: LeaseStore;
  /** Undefined: no broker can reach this database. */
  readonly brokerLeases: BrokerLeaseStore | undefined;
  /** Gives leadership back, so that the next one need not wait for its end; nothing is written any more. Idempotent. */
  resign(): Promise<void>;
}

/** What anybody may read of the metadata, at any time: what is committed. Every method may throw STORAGE_UNAVAILABLE. */
export interface MetadataReads {
  readonly topics: Pick<TopicStore, 'get' | 'list'>;
  readonly groups: Pick<GroupStore, 'get' | 'list'>;
  readonly dataSources: Pick<DataSourceStore, 'get' | 'list'>;
}

/** One term of one leader. */
export interface LeadershipTerm extends Leader {
  /** When it began, by the database's clock. */
  readonly sinceMs: number;
}

/** The meta-servers of a database: facts for operators, on which nothing is decided. */
export interface MetaServerStore {
  /** Says that a meta-server runs; it is taken for gone 15 s after it said so last. */
  announce(endpoint: string): Promise<void>;
  /** Says that it runs no longer. */
  withdraw(endpoint: string): Promise<void>;
  /** Endpoints of those that run. */
  list(): Promise<string[]>;
  /** The last terms, the newest first. */
  terms(): Promise<LeadershipTerm[]>;
}

/** A process that would lead. */
export interface Candidacy {
  /** Where others reach it: what those that follow refer to. */
  readonly holder: string;
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Told at each look who leads instead; undefined: nobody does. */
  readonly onFollowing?: (leader: Leader | undefined) => void;
  /** Told when the database could not be asked; it is asked again. */
  readonly onFault?: (error: unknown) => void;
}

/** The metadata database as one process has it: it reads, and it leads when nobody else does. */
export interface MetadataDatabase extends AsyncDisposable {
  readonly reads: MetadataReads;
  readonly metaServers: MetaServerStore;
  /**
   * Waits until nobody else leads, then leads: one term, until leadership is lost or given back. Terms of one process
   * come one after the other. Rejects with the signal's reason once that is aborted.
   */
  lead(candidacy: Candidacy): Promise<Metadata>;
  /** Closes the database; idempotent. Give leadership back first. */
  close(): Promise<void>;
}
