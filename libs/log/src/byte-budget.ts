import { createDeferred, type Deferred, invariant } from '@hermes/runtime';

/** A number of bytes that several queues share, so that all of them together stay within one bound. */
export class ByteBudget {
  readonly bytesMax: number;
  #used = 0;
  #room: Deferred<void> | undefined;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes `bytes`; false, and nothing taken, if they do not fit. Into an empty budget anything fits. */
  take(bytes: number): boolean {
    if (this.#used > 0 && this.#used + bytes > this.bytesMax) {
      return false;
    }
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    invariant(this.#used >= 0, 'more bytes given back than taken');
    if (this.#room !== undefined && this.hasRoom()) {
      this.#room.resolve();
      this.#room = undefined;
    }
  }

  /** Whether at most half is used: waiters are let in then, not at each byte. */
  hasRoom(): boolean {
    return this.#used <= this.bytesMax / 2;
  }

  /** Resolves once `hasRoom`. */
  room(): Promise<void> {
    if (this.hasRoom()) {
      return Promise.resolve();
    }
    this.#room ??= createDeferred();
    return this.#room.promise;
  }
}
