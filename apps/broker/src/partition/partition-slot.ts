import { type LeaseAssignment } from '@hermes/coordination';
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
  state: SlotState = { kind: 'opening' };
  /** Set once the topic is read; storage is deleted by it. */
  topicId: number | undefined;
  #steps: Promise<void> = Promise.resolve();

  constructor(assignment: LeaseAssignment) {
    this.assignment = assignment;
  }

  get isClosed(): boolean {
    return this.state.kind === 'closed';
  }

  get partition(): Partition | undefined {
    return this.state.kind === 'open' ? this.state.partition : undefined;
  }

  /** Runs `step` after those before it, whether they failed or not. */
  then(step: () => Promise<void>): Promise<void> {
    this.#steps = this.#steps.then(step, step);
    return this.#steps;
  }
}
