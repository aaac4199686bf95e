import { GroupMode } from '@hermes/contracts';
import { type Held } from './delivery.js';

/**
 * The deliveries that a consumer holds: waiting ones in order, and those that were handed out.
 *
 * In EXCLUSIVE groups one delivery of a lane is handed out at a time, and a lane that has failed is `blocked`: what
 * it still holds is void, for the server delivers it again, in order, after the failed one.
 */
export class DeliveryPool {
  readonly #held = new Set<Held>();
  #ready: Held[] = [];
  readonly #busyLanes = new Set<number>();
  readonly #blockedLanes = new Set<number>();
  #exclusive = false;

  /** Number of deliveries that are held. */
  get size(): number {
    return this.#held.size;
  }

  /** Number of deliveries that were handed out and not decided. */
  get handed(): number {
    let handed = 0;
    for (const { state } of this.#held) {
      handed += state === 'handed' ? 1 : 0;
    }
    return handed;
  }

  set mode(mode: GroupMode) {
    this.#exclusive = mode === GroupMode.EXCLUSIVE;
  }

  add(held: Held): void {
    if (this.#blockedLanes.has(held.laneKey)) {
      return;
    }
    this.#held.add(held);
    this.#ready.push(held);
  }

  /** The next delivery to hand out, if there is one. */
  next(): Held | undefined {
    const index = this.#exclusive ? this.#ready.findIndex(({ laneKey }) => !this.#busyLanes.has(laneKey)) : 0;
    const held = this.#ready[index];
    if (held === undefined) {
      return undefined;
    }
    if (index === 0) {
      this.#ready.shift();
    } else {
      this.#ready.splice(index, 1);
    }
    held.state = 'handed';
    if (this.#exclusive) {
      this.#busyLanes.add(held.laneKey);
    }
    return held;
  }

  /** It was decided: nothing more is held of it. */
  decided(held: Held, failed: boolean): void {
    held.state = 'decided';
    this.#held.delete(held);
    this.#busyLanes.delete(held.laneKey);
    if (failed && this.#exclusive) {
      this.#blockedLanes.add(held.laneKey);
      this.#drop((one) => one.laneKey === held.laneKey, new Error('an earlier message of the lane has failed'));
    }
  }

  /** The server knows of the failure: what comes now comes in order. */
  unblock(held: Held): void {
    this.#blockedLanes.delete(held.laneKey);
  }

  /** What came from these partitions is given back; unset: from all. */
  lost(partitions?: ReadonlySet<number>): void {
    const reason = new Error('the subscription broke; the message is delivered again');
    this.#drop(({ raw }) => partitions?.has(raw.partition) ?? true, reason);
  }

  /** The server has given it to another. */
  forget(held: Held, reason: Error): void {
    this.#drop((one) => one === held, reason);
  }

  /** Takes all that wait, decided elsewhere. */
  takeReady(): Held[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  *[Symbol.iterator](): Iterator<Held> {
    yield* this.#held;
  }

  #drop(matches: (held: Held) => boolean, reason: Error): void {
    for (const held of this.#held) {
      if (matches(held)) {
        // A handler that runs may still settle it (the server is the judge), and its lane waits for it.
        this.#held.delete(held);
        held.lose(reason);
      }
    }
    this.#ready = this.#ready.filter(({ state }) => state !== 'lost');
  }
}
