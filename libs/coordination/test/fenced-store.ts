import { type PartitionRef } from '../src/index.js';

/** A partition's key in maps. */
export function keyOf({ topic, partition }: PartitionRef): string {
  return `${topic}/${partition}`;
}

/** The store that all brokers share: one epoch per partition, as `partition_state` has it. */
export class FencedStore {
  readonly epochs = new Map<string, number>();
  readonly openers = new Map<string, number>();
  readonly writtenAtMs = new Map<string, number>();

  /** Opens at an epoch above all earlier ones, or tells the highest. */
  open(key: string, epoch: number, incarnation: number): 'opened' | { observed: number } {
    const observed = this.epochs.get(key) ?? 0;
    if (epoch <= observed) {
      return { observed };
    }
    this.epochs.set(key, epoch);
    this.openers.set(`${key}@${epoch}`, incarnation);
    return 'opened';
  }

  write(key: string, epoch: number, incarnation: number, nowMs: number): boolean {
    if (this.epochs.get(key) !== epoch) {
      return false;
    }
    if (this.openers.get(`${key}@${epoch}`) !== incarnation) {
      throw new Error(`${key}: a write of ${incarnation} passes at epoch ${epoch}, which another process opened`);
    }
    this.writtenAtMs.set(key, nowMs);
    return true;
  }
}
