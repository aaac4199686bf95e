import {
  type DeadLetterEntry,
  type GroupChange,
  type GroupSnapshot,
  type OffsetRange,
  type RetryEntry,
} from '../src/index.js';
import { check } from './check.js';

/** A group as it is stored: what commits have written, and what a new owner loads. */
export class StoredGroup {
  readonly retries = new Map<number, RetryEntry>();
  readonly dead = new Map<number, DeadLetterEntry>();
  #cursor: { floor: number; settled: readonly OffsetRange[] } = { floor: 0, settled: [] };
  #holder = { consumerEpoch: 0, token: 0 };

  get floor(): number {
    return this.#cursor.floor;
  }

  /** The consumer epoch that is admitted (EXCLUSIVE). */
  get consumerEpoch(): number {
    return this.#holder.consumerEpoch;
  }

  snapshot(): GroupSnapshot {
    const lanes = [{ lane: 0, ...this.#cursor }];
    return { groupId: 1, ...this.#holder, generation: 0, lanes, retries: [...this.retries.values()], inFlight: [] };
  }

  /** Writes one change, and checks that it goes forward. */
  write(change: GroupChange): void {
    switch (change.kind) {
      case 'cursor':
        check(change.cursor.floor >= this.#cursor.floor, 'the floor went back');
        this.#cursor = change.cursor;
        break;
      case 'holder':
        check(change.token > this.#holder.token, 'the fencing token did not grow');
        this.#holder = { consumerEpoch: change.consumerEpoch, token: change.token };
        break;
      case 'retry':
        this.retries.set(change.entry.offset, change.entry);
        break;
      case 'retryDone':
        this.retries.delete(change.offset);
        break;
      case 'deadLetter':
        check(!this.dead.has(change.entry.offset), `${change.entry.offset} died twice`);
        this.dead.set(change.entry.offset, change.entry);
        break;
      default:
        break;
    }
  }

  /** Acknowledged or dead. */
  isSettled(offset: number): boolean {
    const { floor, settled } = this.#cursor;
    const isBelow = offset < floor || settled.some(({ from, to }) => offset >= from && offset < to);
    return isBelow && !this.retries.has(offset);
  }
}
