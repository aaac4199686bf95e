import { type WatchRoutesResponse, type WatchRoutesResponse_Topic } from '@hermes/contracts';
import { type Route, type TopicRoutes } from '@hermes/coordination';

/** Versions of one leadership: the next one starts above all of them. 2^21 leaderships fit below 2^53. */
const VERSIONS_PER_LEADERSHIP = 2 ** 32;
/** Routes in one frame: about half of the 1 MiB that a frame may have. */
const ROUTES_PER_FRAME_MAX = 8_000;

interface Entry {
  partitionCount: number;
  readonly routes: Map<number, Route>;
}

/** Told which partitions of a topic have changed. */
export type RouteListener = (topic: string, partitions: readonly number[]) => void;

/** Changed partitions by topic: what a watcher has not been told yet. */
export type PendingRoutes = ReadonlyMap<string, Iterable<number>>;

/** All routes as they are now, with a version that grows at each change and across restarts. */
export class RouteTable {
  readonly #topics = new Map<string, Entry>();
  readonly #listeners = new Set<RouteListener>();
  #version: number;

  constructor(leadershipEpoch: number) {
    this.#version = leadershipEpoch * VERSIONS_PER_LEADERSHIP;
  }

  get version(): number {
    return this.#version;
  }

  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  partitionsOf(topic: string): readonly number[] {
    return [...(this.#topics.get(topic)?.routes.keys() ?? [])];
  }

  /** Takes over what the leases decided, and tells the listeners. */
  apply(changes: readonly TopicRoutes[]): void {
    this.#version += 1;
    for (const { topic, partitionCount, routes } of changes) {
      const entry = this.#topics.get(topic) ?? { partitionCount, routes: new Map<number, Route>() };
      if (partitionCount === 0) {
        this.#topics.delete(topic);
      } else {
        this.#topics.set(topic, entry);
      }
      entry.partitionCount = partitionCount;
      for (const route of routes) {
        entry.routes.set(route.partition, route);
      }
      const partitions = routes.map(({ partition }) => partition);
      for (const listener of this.#listeners) {
        listener(topic, partitions);
      }
    }
  }

  /** Calls `listener` at each change until the answered function is called. */
  listen(listener: RouteListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Frames that tell `pending` as it is now. Only the first is a snapshot: what follows adds to it. */
  frames(pending: PendingRoutes, snapshot: boolean): WatchRoutesResponse[] {
    const frames: WatchRoutesResponse[] = [{ version: this.#version, snapshot, topics: [] }];
    let room = ROUTES_PER_FRAME_MAX;
    for (const [topic, partitions] of pending) {
      const told = this.#topicFrame(topic, partitions);
      const size = told.routes.length + 1;
      if (size > room && frames.at(-1)?.topics.length !== 0) {
        frames.push({ version: this.#version, snapshot: false, topics: [] });
        room = ROUTES_PER_FRAME_MAX;
      }
      frames.at(-1)?.topics.push(told);
      room -= size;
    }
    return frames;
  }

  #topicFrame(topic: string, partitions: Iterable<number>): WatchRoutesResponse_Topic {
    const entry = this.#topics.get(topic);
    if (entry === undefined) {
      return { topic, partitionCount: 0, routes: [] };
    }
    const routes = [...partitions].map((partition) => entry.routes.get(partition)).filter((route) => !!route);
    return { topic, partitionCount: entry.partitionCount, routes: routes.map((route) => ({ ...route })) };
  }
}
