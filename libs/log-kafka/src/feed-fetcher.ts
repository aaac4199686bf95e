import { type Clock, sleep, type TaskGroup, type Timers } from '@hermes/runtime';
import type { FetchedPartition } from 'kafkajs/src/cluster/index.js';

import { type FetchRequest, type KafkaCluster, type KafkaPlace } from './kafka-cluster.js';
import { readFault } from './kafka-fault.js';

/** A lane whose end is followed. */
export interface FollowedLane {
  readonly place: KafkaPlace;
  /** Whether its records are wanted; otherwise how far it reaches is enough. */
  readonly isRead: boolean;
  /** Where the next fetch starts. */
  nextPosition(): number;
  /** What a fetch from there has brought. */
  fetched(from: number, partition: FetchedPartition): void;
  /** What a fetch of this lane alone came to. Rejects with StoreError if Kafka cannot be asked. */
  failed(error: unknown): Promise<void>;
}

export interface FeedFetcherOptions {
  /** Not used by anybody else: a broker holds its answers back here until there is something. */
  readonly cluster: KafkaCluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: TaskGroup;
}

/** How long a broker waits for records. */
const WAIT_MS = 500;

/** How often the end of a lane that nobody reads is looked at. */
const UNREAD_EACH_MS = 250;

const PAUSE_MS = 200;

const LANE_BYTES_MAX = 1024 * 1024;
/** Enough to learn where a lane ends. */
const UNREAD_BYTES_MAX = 1;
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

/** Follows the ends of all lanes: one fetch at a time from each broker, for all the lanes that it leads. */
export class FeedFetcher {
  readonly #options: FeedFetcherOptions;
  readonly #lanes = new Map<FollowedLane, { fetchedAtMs: number }>();
  readonly #loops = new Set<number>();
  #isLooking = false;
  #wake = new AbortController();
  #closed = false;

  constructor(options: FeedFetcherOptions) {
    this.#options = options;
  }

  add(lane: FollowedLane): void {
    this.#lanes.set(lane, { fetchedAtMs: 0 });
    this.wake();
  }

  remove(lane: FollowedLane): void {
    this.#lanes.delete(lane);
  }

  /** What is wanted has changed. */
  wake(): void {
    if (this.#closed) {
      return;
    }
    this.#wake.abort();
    this.#wake = new AbortController();
    this.#startLoops();
  }

  close(): void {
    this.#closed = true;
    this.#wake.abort();
  }

  #startLoops(): void {
    const leaders = [...this.#lanes.keys()].map((lane) => this.#leaderOf(lane));
    for (const leader of new Set(leaders)) {
      if (leader !== undefined && !this.#loops.has(leader)) {
        this.#loops.add(leader);
        this.#options.tasks.run(`follow the lanes of Kafka broker ${leader}`, () => this.#follow(leader));
      }
    }
    if (leaders.includes(undefined) && !this.#isLooking) {
      this.#isLooking = true;
      this.#options.tasks.run('look for leaders in Kafka', () => this.#look());
    }
  }

  /** Asks who leads what until everything is led. */
  async #look(): Promise<void> {
    while (!this.#closed && [...this.#lanes.keys()].some((lane) => this.#leaderOf(lane) === undefined)) {
      const places = [...this.#lanes.keys()].map(({ place }) => place);
      await this.#options.cluster.refresh(places).catch(() => undefined);
      await sleep(this.#options.timers, PAUSE_MS);
    }
    this.#isLooking = false;
    this.wake();
  }

  /** Until this broker leads nothing of ours any more. */
  async #follow(leader: number): Promise<void> {
    for (;;) {
      const led = [...this.#lanes].filter(([lane]) => this.#leaderOf(lane) === leader);
      if (this.#closed || led.length === 0) {
        this.#loops.delete(leader);
        return;
      }
      const nowMs = this.#options.clock.monotonicMs();
      const due = led.filter(([{ isRead }, { fetchedAtMs }]) => isRead || fetchedAtMs + UNREAD_EACH_MS <= nowMs);
      if (due.length === 0) {
        await this.#pause(UNREAD_EACH_MS);
      } else {
        due.forEach(([, state]) => (state.fetchedAtMs = nowMs));
        await this.#fetch(
          leader,
          due.map(([lane]) => lane),
        );
      }
    }
  }

  async #fetch(leader: number, lanes: readonly FollowedLane[]): Promise<void> {
    try {
      await this.#fetchFrom(leader, lanes);
    } catch (error) {
      if (this.#closed) {
        return;
      }
      // Anything that is no fault of Kafka's is thrown on.
      readFault(error, 'follow lanes');
      await this.#failed(leader, lanes, error);
      await this.#pause(PAUSE_MS);
    }
  }

  async #fetchFrom(leader: number, lanes: readonly FollowedLane[]): Promise<void> {
    const requests = new Map<FetchRequest, FollowedLane>(
      lanes.map((lane) => {
        const maxBytes = lane.isRead ? LANE_BYTES_MAX : UNREAD_BYTES_MAX;
        return [{ ...lane.place, from: lane.nextPosition(), maxBytes }, lane];
      }),
    );
    const bounds = { maxWaitMs: WAIT_MS, maxBytes: REQUEST_BYTES_MAX };
    const fetched = await this.#options.cluster.fetch(leader, [...requests.keys()], bounds);
    for (const [request, partition] of fetched) {
      const lane = requests.get(request);
      if (lane !== undefined && this.#lanes.has(lane)) {
        lane.fetched(request.from, partition);
      }
    }
  }

  /** One lane may have failed for all: each is tried alone, and told. */
  async #failed(leader: number, lanes: readonly FollowedLane[], error: unknown): Promise<void> {
    const [first] = lanes;
    if (lanes.length === 1 && first !== undefined) {
      await first.failed(error).catch(() => undefined);
    } else {
      for (const lane of lanes) {
        await this.#fetchFrom(leader, [lane]).catch((failure: unknown) => lane.failed(failure).catch(() => undefined));
      }
    }
    const places = lanes.map(({ place }) => place);
    await this.#options.cluster.refresh(places).catch(() => undefined);
    this.#startLoops();
  }

  #leaderOf({ place }: FollowedLane): number | undefined {
    return this.#options.cluster.leaderOf(place);
  }

  async #pause(delayMs: number): Promise<void> {
    await sleep(this.#options.timers, delayMs, this.#wake.signal).catch(() => undefined);
  }
}
