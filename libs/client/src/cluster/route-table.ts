import { type HermesError, type WatchRoutesResponse, type WatchRoutesResponse_Topic } from '@hermes/contracts';

/** Who owns a partition, by the best knowledge. */
export interface Route {
  /** host:port of the owner, or of the last one known; empty: none was ever heard of. */
  readonly endpoint: string;
  readonly epoch: number;
  /** False while the meta-server knows no owner. */
  readonly owned: boolean;
}

/** Told which topics changed. */
export type RouteListener = (topics: ReadonlySet<string>) => void;

const NO_ROUTE: Route = { endpoint: '', epoch: 0, owned: false };

/**
 * partition → owner, as meta-servers publish it and as owners correct it. It only remembers; `RouteWatch` fills it.
 *
 * A partition that loses its owner keeps the last endpoint: it is where a broker that restarts comes back, and an
 * attempt there does no harm. Routes outlive the meta-servers.
 */
export class RouteTable {
  readonly #topics = new Map<string, Route[]>();
  readonly #listeners = new Set<RouteListener>();

  /** Names of all known topics. */
  topics(): string[] {
    return [...this.#topics.keys()];
  }

  /** Routes of a topic by partition; undefined if the topic is not known here. */
  topic(topic: string): readonly Route[] | undefined {
    return this.#topics.get(topic);
  }

  /** The route of a partition; undefined if topic or partition are not known here. */
  route(topic: string, partition: number): Route | undefined {
    return this.#topics.get(topic)?.[partition];
  }

  /** Takes over a snapshot or a delta. */
  apply(update: WatchRoutesResponse): void {
    const changed = new Set<string>();
    if (update.snapshot) {
      const named = new Set(update.topics.map(({ topic }) => topic));
      for (const topic of this.#topics.keys()) {
        if (!named.has(topic)) {
          this.#topics.delete(topic);
          changed.add(topic);
        }
      }
    }
    for (const topic of update.topics) {
      changed.add(topic.topic);
      this.#applyTopic(topic);
    }
    this.#tell(changed);
  }

  /** Learns from an owner's NOT_OWNER who is newer, if it says so. */
  learn(topic: string, partition: number, error: HermesError): void {
    const { endpoint, epoch } = error.details;
    const routes = this.#topics.get(topic);
    const known = routes?.[partition];
    if (routes === undefined || known === undefined || endpoint === undefined || endpoint === '') {
      return;
    }
    const newer = Number(epoch ?? 0);
    if (newer > known.epoch) {
      routes[partition] = { endpoint, epoch: newer, owned: true };
      this.#tell(new Set([topic]));
    }
  }

  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: RouteListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #applyTopic(update: WatchRoutesResponse_Topic): void {
    if (update.partitionCount === 0) {
      this.#topics.delete(update.topic);
      return;
    }
    const routes = this.#topics.get(update.topic) ?? [];
    for (let partition = routes.length; partition < update.partitionCount; partition += 1) {
      routes.push(NO_ROUTE);
    }
    for (const { partition, endpoint, epoch } of update.routes) {
      const known = routes[partition];
      if (known === undefined || (epoch < known.epoch && endpoint === '')) {
        continue;
      }
      const owned = endpoint !== '';
      routes[partition] = { endpoint: owned ? endpoint : known.endpoint, epoch, owned };
    }
    this.#topics.set(update.topic, routes);
  }

  #tell(topics: ReadonlySet<string>): void {
    if (topics.size > 0) {
      for (const listener of [...this.#listeners]) {
        listener(topics);
      }
    }
  }
}
