import { StoreError } from '@hermes/log';
import { Backoff, type Clock, sleep, type TaskGroup, type Timers } from '@hermes/runtime';
import type { FetchedPartition } from 'kafkajs/src/cluster/index.js';

import type { FetchRequest, KafkaCluster, KafkaPlace } from './kafka-cluster.js';
import { isKafkaError } from './kafka-fault.js';

/** A lane whose end is followed. */
export interface FollowedLane {
  readonly place: KafkaPlace;
  /** Whether its records are wanted; otherwise how far it reaches is enough. */
  readonly wantsRecords: boolean;
  /** Where the next fetch starts. */
  nextPosition(): number;
  /** What a fetch from there has brought. Throws if that cannot be read. */
  fetched(from: number, partition: FetchedPartition): void;
  /** Kafka gave nothing of this lane, and why. Rejects with StoreError if Kafka cannot be asked. */
  failed(error: unknown): Promise<void>;
}

export interface FeedFetcherOptions {
  /** Not used by anybody else: a broker holds its answers back here until there is something. */
  readonly cluster: Pick<KafkaCluster, 'fetch' | 'leaderOf' | 'problemOf' | 'refresh'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: TaskGroup;
  /** Told of an error that neither Kafka nor the way there explains; the lanes are followed on. Must not throw. */
  readonly onFailure: (error: unknown) => void;
}

/** How long a broker waits for records. */
const WAIT_MS = 500;

/** How often the end of a lane that nobody reads is looked at. */
const UNREAD_EACH_MS = 250;

/** A lane that has failed is left alone for a while, and longer each time: it must not take time from the others. */
const RETRY = { initialMs: 200, maxMs: 2_000, jitter: 0 };

const LANE_BYTES_MAX = 1024 * 1024;
/** Enough to learn where a lane ends. */
const UNREAD_BYTES_MAX = 1;
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

interface LaneState {
  fetchedAtMs: number;
  /** Not fetched before. */
  notBeforeMs: number;
  readonly backoff: Backoff;
}

/** Follows the ends of all lanes: one fetch at a time from each broker, for all the lanes that it leads. */
export class FeedFetcher {
  readonly #options: FeedFetcherOptions;
  readonly #lanes = new Map<FollowedLane, LaneState>();
  readonly #loops = new Set<number>();
  #isLooking = false;
  #wake = new AbortController();
  #closed = false;

  constructor(options: FeedFetcherOptions) {
    this.#options = options;
  }

  /** Lanes whose ends are followed, and those of them that nobody leads, or whose last fetch has failed. */
  get followed(): { readonly lanes: number; readonly failing: number } {
    const isFailing = ([lane, { backoff }]: [FollowedLane, LaneState]): boolean =>
      backoff.attempts > 0 || this.#leaderOf(lane) === undefined;
    return { lanes: this.#lanes.size, failing: [...this.#lanes].filter(isFailing).length };
  }

  add(lane: FollowedLane): void {
    this.#lanes.set(lane, { fetchedAtMs: 0, notBeforeMs: 0, backoff: new Backoff(RETRY) });
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
    const backoff = new Backoff(RETRY);
    for (;;) {
      const lost = [...this.#lanes.keys()].filter((lane) => this.#leaderOf(lane) === undefined);
      if (this.#closed || lost.length === 0) {
        break;
      }
      await this.#refresh(lost);
      for (const lane of lost) {
        const problem = this.#options.cluster.problemOf(lane.place);
        if (problem !== undefined) {
          await this.#tellFailed(lane, problem);
        }
      }
      await sleep(this.#options.timers, backoff.nextDelayMs());
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
      const due = led.filter(
        ([{ wantsRecords }, { fetchedAtMs, notBeforeMs }]) =>
          notBeforeMs <= nowMs && (wantsRecords || fetchedAtMs + UNREAD_EACH_MS <= nowMs),
      );
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

  /** Tells each lane what there is of it, or why nothing. */
  async #fetch(leader: number, lanes: readonly FollowedLane[]): Promise<void> {
    const requests = new Map<FetchRequest, FollowedLane>(
      lanes.map((lane) => {
        const maxBytes = lane.wantsRecords ? LANE_BYTES_MAX : UNREAD_BYTES_MAX;
        return [{ ...lane.place, from: lane.nextPosition(), maxBytes }, lane];
      }),
    );
    const failed = new Map<FollowedLane, unknown>();
    for (const [request, answer] of await this.#ask(leader, [...requests.keys()])) {
      const lane = requests.get(request);
      const state = lane === undefined ? undefined : this.#lanes.get(lane);
      if (lane === undefined || state === undefined) {
        continue;
      }
      const problem = answer instanceof Error ? answer : this.#take(lane, request.from, answer);
      if (problem === undefined) {
        state.backoff.reset();
      } else {
        failed.set(lane, problem);
      }
    }
    if (failed.size > 0 && !this.#closed) {
      await this.#failed(failed);
    }
  }

  async #ask(
    leader: number,
    requests: readonly FetchRequest[],
    maxWaitMs = WAIT_MS,
  ): Promise<Map<FetchRequest, FetchedPartition | Error>> {
    try {
      return await this.#options.cluster.fetch(leader, requests, { maxWaitMs, maxBytes: REQUEST_BYTES_MAX });
    } catch (error) {
      if (requests.length > 1 && !isKafkaError(error)) {
        return this.#askEach(leader, requests);
      }
      this.#report(error);
      return new Map(requests.map((request) => [request, error as Error]));
    }
  }

  /** One lane's answer cannot be read: the others' can. */
  async #askEach(
    leader: number,
    requests: readonly FetchRequest[],
  ): Promise<Map<FetchRequest, FetchedPartition | Error>> {
    const answers = new Map<FetchRequest, FetchedPartition | Error>();
    for (const request of requests) {
      for (const [asked, answer] of await this.#ask(leader, [request], 0)) {
        answers.set(asked, answer);
      }
    }
    return answers;
  }

  /** Gives a lane what has come; what it could not make of it, if anything. */
  #take(lane: FollowedLane, from: number, fetched: FetchedPartition): unknown {
    try {
      lane.fetched(from, fetched);
      return undefined;
    } catch (error) {
      this.#report(error);
      return error;
    }
  }

  async #failed(failed: ReadonlyMap<FollowedLane, unknown>): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [lane, error] of failed) {
      const state = this.#lanes.get(lane);
      if (state !== undefined) {
        state.notBeforeMs = nowMs + state.backoff.nextDelayMs();
      }
      await this.#tellFailed(lane, error);
    }
    await this.#refresh([...failed.keys()]);
    this.#startLoops();
  }

  async #tellFailed(lane: FollowedLane, why: unknown): Promise<void> {
    try {
      await lane.failed(why);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    if (!isKafkaError(error) && !(error instanceof StoreError)) {
      this.#options.onFailure(error);
    }
  }

  /** Asks who leads these lanes; harmless if nobody answers. */
  async #refresh(lanes: readonly FollowedLane[]): Promise<void> {
    await this.#options.cluster.refresh(lanes.map(({ place }) => place)).catch(() => undefined);
  }

  #leaderOf({ place }: FollowedLane): number | undefined {
    return this.#options.cluster.leaderOf(place);
  }

  async #pause(delayMs: number): Promise<void> {
    await sleep(this.#options.timers, delayMs, this.#wake.signal).catch(() => undefined);
  }
}
