import { type ConsumerGroup } from './consumer-group.js';

/** All groups by topic and name, and which of them are to be dealt anew, and when. The others cost nothing meanwhile. */
export class ConsumerGroups {
  readonly #topics = new Map<string, Map<string, ConsumerGroup>>();
  readonly #touched = new Set<ConsumerGroup>();
  readonly #dueAtMs = new Map<ConsumerGroup, number>();

  /** When a group is due by time alone; Infinity: none is. */
  nextDueMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const atMs of this.#dueAtMs.values()) {
      nextMs = Math.min(nextMs, atMs);
    }
    return nextMs;
  }

  find(topic: string, group: string): ConsumerGroup | undefined {
    return this.#topics.get(topic)?.get(group);
  }

  *all(): Generator<ConsumerGroup> {
    for (const groups of this.#topics.values()) {
      yield* groups.values();
    }
  }

  of(topic: string): readonly ConsumerGroup[] {
    return [...(this.#topics.get(topic)?.values() ?? [])];
  }

  add(group: ConsumerGroup): void {
    const { topic, group: name } = group.settings;
    const groups = this.#topics.get(topic) ?? new Map<string, ConsumerGroup>();
    this.#topics.set(topic, groups.set(name, group));
  }

  delete(group: ConsumerGroup): void {
    const { topic, group: name } = group.settings;
    const groups = this.#topics.get(topic);
    groups?.delete(name);
    if (groups?.size === 0) {
      this.#topics.delete(topic);
    }
    this.#touched.delete(group);
    this.#dueAtMs.delete(group);
  }

  /** Something of the group has changed. Harmless for one that was deleted. */
  touch(group: ConsumerGroup): void {
    const { topic, group: name } = group.settings;
    if (this.find(topic, name) === group) {
      this.#touched.add(group);
    }
  }

  /** The group is due then, whether it changes or not; Infinity: only if it changes. */
  setDue(group: ConsumerGroup, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      this.#dueAtMs.delete(group);
    } else {
      this.#dueAtMs.set(group, atMs);
    }
  }

  /** The groups that changed or are due. */
  takeDue(nowMs: number): ConsumerGroup[] {
    for (const [group, atMs] of this.#dueAtMs) {
      if (atMs <= nowMs) {
        this.#touched.add(group);
      }
    }
    const due = [...this.#touched];
    this.#touched.clear();
    return due;
  }
}
