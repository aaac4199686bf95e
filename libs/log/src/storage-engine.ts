import type { GroupState } from './group-state.js';
import type { MessageLog } from './message-log.js';
import type { ProducerState } from './producer-state.js';
import type { Schedule } from './schedule.js';
import type { StoreError } from './store-error.js';

/** What a storage class can do, as far as it is known now; what it cannot is answered UNSUPPORTED_BY_STORAGE, never by silence. */
export interface StorageCapabilities {
  /** A stale owner's append is refused by the store itself. */
  readonly appendFence: boolean;
  /** What an acknowledged record has reached. */
  readonly durability: 'durable' | 'replicated' | 'buffered';
  readonly truncate: boolean;
  readonly offsetAt: boolean;
  /** The partition can be opened on another machine. */
  readonly movable: boolean;
}

/** A topic of the store that was there before: others write and read it, too, and it is never made, changed or deleted. */
export interface AttachedTopic {
  readonly topic: string;
  /** Nothing is appended: `append` is refused as `unsupported`. */
  readonly readOnly: boolean;
}

/** How the log of a topic is made, where that is done for all of its partitions at once. */
export interface LogShape {
  /** May grow while a partition is open. */
  readonly partitions: number;
  /** What the log is, if it is not made; then it has exactly `partitions`. Only stores in which others write, too, have it. */
  readonly attached?: AttachedTopic;
}

/** One partition as its owner asks for it. */
export interface OpenPartitionRequest {
  readonly topicId: number;
  readonly partition: number;
  /** Above every earlier epoch of this partition. */
  readonly epoch: number;
  readonly incarnation: number;
  /** Number of lanes (the topic's priority levels); grows only. */
  readonly lanes: number;
  /** It was ready once: what is missing is data loss and is never made again. */
  readonly created: boolean;
  /** Stores that make each partition by itself do not need it. */
  readonly shape?: LogShape;
  /**
   * The messages are kept in another store: here is their state alone. The store has no `lanes` then, what it would read
   * of a log is refused as `unsupported`, and records come with the changes. Its schedule's `marks` are those of the
   * lanes that it knows: all of a new partition, and each one that was marked since. A partition is always opened so or never:
   * anything else is data loss.
   */
  readonly stateOnly?: boolean;
}

export type OpenPartitionOutcome =
  | { readonly kind: 'opened'; readonly store: PartitionStore }
  /** `observed` is the highest epoch found; nothing was written. */
  | { readonly kind: 'epochTooLow'; readonly observed: number }
  /** Quarantined; `detail` says what is missing. */
  | { readonly kind: 'dataLoss'; readonly detail: string };

/** An open partition: its lanes' logs and its groups' state, at one epoch. */
export interface PartitionStore {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  /** 32 random bytes made with the partition: the secret behind receipts, the same for every owner. */
  readonly receiptKey: Uint8Array;
  /** None if the partition was opened for its state alone. */
  readonly lanes: readonly MessageLog[];
  readonly groupState: GroupState;
  readonly schedule: Schedule;
  readonly producers: ProducerState;

  /** What an acknowledged record of this partition has reached, where that differs within the engine. */
  readonly durability?: StorageCapabilities['durability'];

  /**
   * Resolves once if the store can serve this opening no longer, with the reason: another server behind the address, a
   * log that ends below what was acknowledged. Everything is refused from then on; the owner closes the store and asks
   * for a new epoch. Never resolves where that cannot happen.
   */
  readonly lost: Promise<StoreError>;

  /** The store's time: wall time read now and then, advanced monotonically. `due_at` is counted in it. */
  timeMs(): number;

  /** Ends this opening once what it was given is done; later calls fail with `closed`. Idempotent. */
  close(): Promise<void>;
}

/** A storage class at one place: a data directory, a database, a cluster. */
export interface StorageEngine {
  readonly capabilities: StorageCapabilities;

  /**
   * Opens a partition: raises its epoch, fences every lane, and makes what is missing if it was never created.
   * An older opening of the same partition, wherever it is, can write nothing once this is answered.
   */
  openPartition(request: OpenPartitionRequest): Promise<OpenPartitionOutcome>;

  /** Removes a deleted topic's partition with all that it holds; harmless if there is none. */
  deletePartition(topicId: number, partition: number): Promise<void>;

  /** Flushes and closes everything. Idempotent. */
  close(): Promise<void>;
}
