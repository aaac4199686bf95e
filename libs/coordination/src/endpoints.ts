import { type TopicRoutes } from './lease.js';

/** Where the owners of partitions are reached, as far as routes have told. */
export class Endpoints {
  readonly #topics = new Map<string, Map<number, string>>();

  /** The owner's host:port; empty: there is none, or it is not known. */
  of(topic: string, partition: number): string {
    return this.#topics.get(topic)?.get(partition) ?? '';
  }

  /** Takes over what has changed of one topic. */
  apply({ topic, partitionCount, routes }: TopicRoutes): void {
    if (partitionCount === 0) {
      this.#topics.delete(topic);
      return;
    }
    const endpoints = this.#topics.get(topic) ?? new Map<number, string>();
    this.#topics.set(topic, endpoints);
    for (const { partition, endpoint } of routes) {
      endpoints.set(partition, endpoint);
    }
  }
}
