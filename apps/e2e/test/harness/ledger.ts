import { parseMessageId } from '@hermes/contracts';

/** What became of one publish. */
export type PublishFate = 'acknowledged' | 'refused' | 'unknown';

interface Published {
  readonly key: string;
  fate: PublishFate | undefined;
  id?: string;
}

interface Seen {
  readonly value: string;
  readonly id: string;
  readonly key: string;
  readonly attempt: number;
  readonly consumer: string;
}

/** What broke a promise, with some examples; empty lists everywhere are a pass. */
export interface Violations {
  readonly lost: readonly string[];
  readonly unpublished: readonly string[];
  readonly refusedButDelivered: readonly string[];
  readonly movedOffsets: readonly string[];
  readonly disorder: readonly string[];
  readonly publishDisorder: readonly string[];
  /** Delivered after its acknowledgement was confirmed. */
  readonly settledAgain: readonly string[];
}

export const NO_VIOLATIONS: Violations = {
  lost: [],
  unpublished: [],
  refusedButDelivered: [],
  movedOffsets: [],
  disorder: [],
  publishDisorder: [],
  settledAgain: [],
};

const EXAMPLES_MAX = 5;

/**
 * Everything that was published, delivered and settled in one run, written down by the test and never by the system
 * under test, and what follows from it. Values are unique. After Jepsen's queue and Kafka workloads.
 */
export class Ledger {
  readonly #published = new Map<string, Published>();
  readonly #seenByGroup = new Map<string, Seen[]>();
  /** `group value`: names of groups hold no space. */
  readonly #settled = new Set<string>();
  readonly #settledAgain: { readonly group: string; readonly example: string }[] = [];

  /** Values whose publish was acknowledged. */
  get acknowledged(): number {
    return [...this.#published.values()].filter(({ fate }) => fate === 'acknowledged').length;
  }

  /** Publishes that have begun. */
  get begun(): number {
    return this.#published.size;
  }

  /** How many came to that, without those that began first. */
  count(fate: PublishFate, withoutFirst = 0): number {
    return [...this.#published.values()].slice(withoutFirst).filter((publish) => publish.fate === fate).length;
  }

  invoke(value: string, key: string): void {
    this.#published.set(value, { key, fate: undefined });
  }

  acknowledge(value: string, id: string): void {
    const publish = this.#published.get(value);
    if (publish !== undefined) {
      publish.fate = 'acknowledged';
      publish.id = id;
    }
  }

  fail(value: string, fate: 'refused' | 'unknown'): void {
    const publish = this.#published.get(value);
    if (publish !== undefined) {
      publish.fate = fate;
    }
  }

  /** The acknowledgement of a delivery was confirmed. */
  settle(group: string, value: string): void {
    this.#settled.add(`${group} ${value}`);
  }

  deliver(group: string, seen: Seen): void {
    if (this.#settled.has(`${group} ${seen.value}`)) {
      this.#settledAgain.push({ group, example: `${seen.value} at ${seen.id}` });
    }
    const list = this.#seenByGroup.get(group);
    if (list === undefined) {
      this.#seenByGroup.set(group, [seen]);
    } else {
      list.push(seen);
    }
  }

  /** Number of acknowledged values that a group has not seen yet. */
  missing(group: string): number {
    const seen = new Set(this.#seen(group).map(({ value }) => value));
    let missing = 0;
    for (const [value, { fate }] of this.#published) {
      missing += fate === 'acknowledged' && !seen.has(value) ? 1 : 0;
    }
    return missing;
  }

  /** Deliveries beyond the first of each value. */
  repeats(group: string): number {
    const seen = this.#seen(group);
    return seen.length - new Set(seen.map(({ value }) => value)).size;
  }

  /** What a group's deliveries, and the publishes, break. */
  violations(group: string): Violations {
    return {
      lost: this.#lost(group),
      unpublished: this.#examples(group, ({ value }) => !this.#published.has(value)),
      refusedButDelivered: this.#examples(group, ({ value }) => this.#published.get(value)?.fate === 'refused'),
      movedOffsets: this.#examples(group, ({ value, id }) => (this.#published.get(value)?.id ?? id) !== id),
      disorder: this.#disorder(group),
      publishDisorder: this.#publishDisorder(),
      settledAgain: this.#settledAgain
        .filter((again) => again.group === group)
        .slice(0, EXAMPLES_MAX)
        .map(({ example }) => example),
    };
  }

  #seen(group: string): readonly Seen[] {
    return this.#seenByGroup.get(group) ?? [];
  }

  #lost(group: string): string[] {
    const seen = new Set(this.#seen(group).map(({ value }) => value));
    const lost = [...this.#published].filter(([value, { fate }]) => fate === 'acknowledged' && !seen.has(value));
    return lost.slice(0, EXAMPLES_MAX).map(([value, { id }]) => `${value} at ${id ?? '?'} of ${lost.length}`);
  }

  #examples(group: string, isViolation: (seen: Seen) => boolean): string[] {
    return this.#seen(group)
      .filter(isViolation)
      .slice(0, EXAMPLES_MAX)
      .map(({ value, id }) => `${value} at ${id}`);
  }

  /** First deliveries of a key come in the order of their offsets. */
  #disorder(group: string): string[] {
    const known = new Set<string>();
    const lastByKey = new Map<string, { offset: number; id: string }>();
    const disorder: string[] = [];
    for (const { id, key } of this.#seen(group)) {
      if (known.has(id)) {
        continue;
      }
      known.add(id);
      const offset = offsetOf(id);
      const last = lastByKey.get(key);
      if (last !== undefined && last.offset > offset && disorder.length < EXAMPLES_MAX) {
        disorder.push(`${id} after ${last.id}`);
      }
      lastByKey.set(key, { offset: Math.max(offset, last?.offset ?? 0), id });
    }
    return disorder;
  }

  /** Of one key, what was acknowledged before the next was published stands before it. */
  #publishDisorder(): string[] {
    const lastByKey = new Map<string, string>();
    const disorder: string[] = [];
    for (const { key, id } of this.#published.values()) {
      const last = lastByKey.get(key);
      if (id !== undefined && last !== undefined && offsetOf(last) >= offsetOf(id)) {
        disorder.push(`${id} after ${last}`);
      }
      if (id !== undefined) {
        lastByKey.set(key, id);
      }
    }
    return disorder.slice(0, EXAMPLES_MAX);
  }
}

function offsetOf(id: string): number {
  return parseMessageId(id)?.offset ?? Number.NaN;
}
