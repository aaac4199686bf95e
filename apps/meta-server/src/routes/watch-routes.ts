import {
  checkTopicName,
  HermesError,
  invalidField,
  type WatchRoutesRequest,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { createDeferred } from '@hermes/runtime';

import { refuse } from '../admin/field-check.js';
import { type RouteTable } from './route-table.js';

/** Each gateway, SDK and CLI watches once; a watcher costs little until routes change. */
export const WATCHERS_MAX = 10_000;
/** Who wants more watches all: each name is kept for as long as the watch is open. */
export const WATCHED_NAMES_MAX = 100;

/** What one watcher has not been told yet, and who waits for it. */
class PendingChanges {
  readonly #wanted: ReadonlySet<string> | undefined;
  #changed = new Map<string, Set<number>>();
  #wake = createDeferred<undefined>();

  constructor(topics: readonly string[]) {
    this.#wanted = topics.length === 0 ? undefined : new Set(topics);
  }

  readonly note = (topic: string, partitions: readonly number[]): void => {
    if (this.#wanted?.has(topic) ?? true) {
      const known = this.#changed.get(topic) ?? new Set();
      partitions.forEach((partition) => known.add(partition));
      this.#changed.set(topic, known);
      this.wake();
    }
  };

  /** Notes everything that the watcher wants. */
  noteAll(table: RouteTable): void {
    for (const topic of this.#wanted ?? table.topics) {
      this.note(topic, table.partitionsOf(topic));
    }
  }

  readonly wake = (): void => {
    this.#wake.resolve(undefined);
  };

  /** Resolves at the next change, or when woken. */
  async changed(): Promise<void> {
    await this.#wake.promise;
  }

  take(): ReadonlyMap<string, Set<number>> {
    const taken = this.#changed;
    this.#changed = new Map();
    this.#wake = createDeferred<undefined>();
    return taken;
  }
}

/** The WatchRoutes call: a snapshot, then deltas. A slow reader gets fewer and bigger deltas, never a queue of them. */
export class RouteWatch {
  readonly #table: RouteTable;
  readonly #watches = new Set<PendingChanges>();
  #ending: HermesError | undefined;

  constructor(table: RouteTable) {
    this.#table = table;
  }

  get watchers(): number {
    return this.#watches.size;
  }

  /** Ends all watches with `error`, and each later one. */
  end(error: HermesError): void {
    this.#ending ??= error;
    for (const { wake } of this.#watches) {
      wake();
    }
  }

  async watch({ topics }: WatchRoutesRequest, stream: ResponseStream<WatchRoutesResponse>): Promise<void> {
    checkTopics(topics);
    if (this.#watches.size >= WATCHERS_MAX) {
      throw new HermesError('QUOTA_EXCEEDED', `${WATCHERS_MAX} watches of routes are open already`);
    }
    const pending = new PendingChanges(topics);
    pending.noteAll(this.#table);
    this.#watches.add(pending);
    const unlisten = this.#table.listen(pending.note);
    stream.signal.addEventListener('abort', pending.wake, { once: true });
    try {
      await this.#follow(pending, stream);
    } finally {
      unlisten();
      this.#watches.delete(pending);
    }
  }

  async #follow(pending: PendingChanges, stream: ResponseStream<WatchRoutesResponse>): Promise<void> {
    for (let snapshot = true; ; snapshot = false) {
      stream.signal.throwIfAborted();
      if (this.#ending !== undefined) {
        throw this.#ending;
      }
      const changed = pending.take();
      for (const frame of snapshot || changed.size > 0 ? this.#table.frames(changed, snapshot) : []) {
        if (!stream.write(frame)) {
          await stream.drained();
        }
      }
      await pending.changed();
    }
  }
}

function checkTopics(topics: readonly string[]): void {
  if (topics.length > WATCHED_NAMES_MAX) {
    throw invalidField('topics', `at most ${WATCHED_NAMES_MAX} names; none = all topics`);
  }
  for (const [index, topic] of topics.entries()) {
    refuse(checkTopicName(topic, `topics[${index}]`));
  }
}
