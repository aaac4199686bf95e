import {
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type StorageCapabilities,
  type StorageEngine,
  type StoreError,
} from '@hermes/log';
import { type Clock, invariant, systemClock } from '@hermes/runtime';

import { lockPath, prepareDirectory, readOrMakeFacts, shardPath } from './data-directory.js';
import { EmbeddedPartition } from './embedded-partition.js';
import { PartitionCalls } from './partition-calls.js';
import { ShardClient } from './shard-client.js';
import type { ConnectionSettings } from './shard-protocol.js';
import { StoreTime } from './store-time.js';

/** Shard files of a new data directory: two threads keep one disk busy. */
export const SHARDS_DEFAULT = 2;

const CAPABILITIES: StorageCapabilities = {
  appendFence: true,
  durability: 'durable',
  truncate: true,
  offsetAt: true,
  movable: false,
};

export interface EmbeddedEngineOptions {
  /** The data directory; made if it is missing. */
  readonly directory: string;
  /** Number of shard files if the directory is new; 2 if unset. */
  readonly shards?: number;
  readonly clock?: Clock;
  /**
   * Told once of an I/O error or corruption: what was under way has no known outcome and is never answered, so the
   * process must exit.
   */
  readonly onFatal: (error: StoreError) => void;
}

/** Storage in a directory of this machine: SQLite files, each with a thread of its own. */
export interface EmbeddedEngine extends StorageEngine {
  /** The data directory's id: embedded partitions are placed on it. */
  readonly directoryId: string;

  /** The partitions that the directory holds, deleted topics' included. */
  partitions(): Promise<readonly { readonly topicId: number; readonly partition: number }[]>;

  /** Settings of the connections that write, one per shard. */
  settings(): Promise<readonly ConnectionSettings[]>;
}

/**
 * Opens a data directory, which this process then holds until `close`. Fails with `directoryHeld` (another process
 * has it), `directoryUnusable`, `schemaNewer`, `dataLoss` (directory.json is damaged) or `fatal`.
 */
export async function openEmbeddedEngine(options: EmbeddedEngineOptions): Promise<EmbeddedEngine> {
  const { directory } = options;
  await prepareDirectory(directory);
  const shards = [new ShardClient('shard 0', options.onFatal)];
  try {
    await shards[0]?.call('lock', { path: lockPath(directory) });
    const facts = await readOrMakeFacts(directory, options.shards ?? SHARDS_DEFAULT);
    while (shards.length < facts.shards) {
      shards.push(new ShardClient(`shard ${shards.length}`, options.onFatal));
    }
    await Promise.all(shards.map((shard, index) => shard.call('openFile', { path: shardPath(directory, index) })));
    return new SqliteEngine(facts.id, shards, options.clock ?? systemClock);
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.stop()));
    throw error;
  }
}

class SqliteEngine implements EmbeddedEngine {
  readonly capabilities = CAPABILITIES;
  readonly directoryId: string;
  readonly #shards: readonly ShardClient[];
  readonly #clock: Clock;
  readonly #time: StoreTime;
  #closed: Promise<void> | undefined;

  constructor(directoryId: string, shards: readonly ShardClient[], clock: Clock) {
    this.directoryId = directoryId;
    this.#shards = shards;
    this.#clock = clock;
    this.#time = new StoreTime(clock);
  }

  async openPartition(request: OpenPartitionRequest): Promise<OpenPartitionOutcome> {
    const { topicId, partition, stateOnly = false } = request;
    const shard = this.#shardOf(topicId, partition);
    const answer = await shard.call('open', { request, nowMs: this.#time.nowMs() });
    if (answer.kind !== 'opened') {
      return answer;
    }
    // Wall time may have been set back since: what waits in the partition must not wait for that much longer.
    const lastAppendedAtMs = Math.max(...answer.lanes.map((lane) => lane.lastAppendedAtMs));
    const time = new StoreTime(this.#clock, lastAppendedAtMs);
    const { session } = answer;
    const calls = new PartitionCalls({ shard, session, topicId, partition, stateOnly, time });
    return { kind: 'opened', store: new EmbeddedPartition(request, answer, calls) };
  }

  deletePartition(topicId: number, partition: number): Promise<void> {
    return this.#shardOf(topicId, partition).call('remove', { topicId, partition });
  }

  async partitions(): Promise<readonly { topicId: number; partition: number }[]> {
    return (await Promise.all(this.#shards.map((shard) => shard.call('partitions', {})))).flat();
  }

  settings(): Promise<readonly ConnectionSettings[]> {
    return Promise.all(this.#shards.map((shard) => shard.call('settings', {})));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The first shard holds the lock and goes last.
    await Promise.all(this.#shards.slice(1).map((shard) => shard.stop()));
    await this.#shards[0]?.stop();
  }

  #shardOf(topicId: number, partition: number): ShardClient {
    const shard = this.#shards[(topicId + partition) % this.#shards.length];
    invariant(shard !== undefined, `partition ${topicId}/${partition} has a shard`);
    return shard;
  }
}
