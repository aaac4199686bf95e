import { type LeaseAssignment } from '@hermes/coordination';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { type OwnedTopic } from './owned-topic.js';
import { type Partition } from './partition.js';

/**
 * opening → open → closed; opening → quarantined (its data is damaged) → closed. A closed slot never comes back:
 * the next grant makes another.
 */
export type SlotState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'open'; readonly partition: Partition }
  | { readonly kind: 'quarantined'; readonly detail: string }
  | { readonly kind: 'closed' };

/** One granted partition, from the grant until nothing of it runs any more. Its steps run one after the other. */
export class PartitionSlot {
  /** As granted last: only revision and `created` change. */
  assignment: LeaseAssignment;
  /** Revision up to which everything is applied: what the meta-server may be told. */
  appliedRevision = 0;
  /** Set once the topic is read; storage is deleted by it. */
  topic: OwnedTopic | undefined;
  #state: SlotState = { kind: 'opening' };
  readonly #opened: Deferred<void> = createDeferred();
  readonly #closed = new AbortController();
  #steps: Promise<void> = Promise.resolve();

  constructor(assignment: LeaseAssignment) {
    this.assignment = assignment;
  }

  get state(): SlotState {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** Resolves once it is being opened no longer, whatever came of that. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Aborted once the slot is closed: nothing of it is to be tried again. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The assignment as it is served now. */
  get served(): LeaseAssignment {
    return { ...this.assignment, revision: this.appliedRevision };
  }

  get partition(): Partition | undefined {
    return this.#state.kind === 'open' ? this.#state.partition : undefined;
  }

  /** Must not be called once it is closed. */
  become(state: Exclude<SlotState, { readonly kind: 'closed' }>): void {
    this.#state = state;
    this.#opened.resolve();
  }

  /** From now on nothing is served; what has begun ends as the last step. Resolves when nothing runs any more. */
  close(): Promise<void> {
    const { partition } = this;
    this.#state = { kind: 'closed' };
    this.#opened.resolve();
    this.#closed.abort();
    const closing = partition?.close();
    return this.then(() => closing ?? Promise.resolve());
  }

  /** Runs `step` after those before it, whether they failed or not. */
  then(step: () => Promise<void>): Promise<void> {
    this.#steps = this.#steps.then(step, step);
    return this.#steps;
  }
}
