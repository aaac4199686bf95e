import { GroupMode } from '@hermes/contracts';
import { Slots } from '@hermes/runtime';
import { type Held } from './delivery.js';

/**
 * The deliveries that a consumer holds: waiting ones in order, and those that were handed out.
 *
 * In EXCLUSIVE groups one delivery of a lane is handed out at a time, and a lane whose message has failed is blocked:
 * what it still holds is void, for the server delivers it again, in order, from the failed one on.
 */
export class DeliveryPool {
  readonly #held = new Slots<Held>();
  #ready: Held[] = [];
  /** EXCLUSIVE: what is handed out of a lane. */
  readonly #busyLanes = new Map<number, Held>();
  /** EXCLUSIVE: what has failed in a lane. */
  readonly #blockedLanes = new Map<number, Held>();
  /** Lost while a handler runs, by position: the message is not handled a second time beside it. */
  readonly #strays = new Map<string, Held>();
  #exclusive = false;

  /** True if nothing is handed out and undecided. */
  get isAtRest(): boolean {
    for (const { state } of this.#held) {
      if (state === 'handed') {
        return false;
      }
    }
    return true;
  }

  set mode(mode: GroupMode) {
    this.#exclusive = mode === GroupMode.EXCLUSIVE;
  }

  add(held: Held): void {
    const failed = this.#blockedLanes.get(held.laneKey);
    if (failed !== undefined) {
      if (held.raw.offset > failed.raw.offset) {
        return; // Sent before the server knew of the failure.
      }
      this.#blockedLanes.delete(held.laneKey);
    }
    held.slot = this.#held.add(held);
    this.#ready.push(held);
  }

  /** The next delivery to hand out, if there is one. */
  next(): Held | undefined {
    const inOrder = !this.#exclusive && this.#strays.size === 0;
    const index = inOrder ? 0 : this.#ready.findIndex((held) => this.#mayStart(held));
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
      this.#busyLanes.set(held.laneKey, held);
    }
    return held;
  }

  /** It was decided: nothing more is held of it. One that was lost before voids nothing: others came in its place. */
  decided(held: Held, failed: boolean): void {
    const isHeld = this.#letGo(held);
    held.state = 'decided';
    this.finished(held);
    if (isHeld && failed && this.#exclusive) {
      this.#blockedLanes.set(held.laneKey, held);
      this.#drop((one) => one.laneKey === held.laneKey, new Error('an earlier message of the lane has failed'));
    }
  }

  /** Whoever had it is through with it. */
  finished(held: Held): void {
    if (this.#exclusive && this.#busyLanes.get(held.laneKey) === held) {
      this.#busyLanes.delete(held.laneKey);
    }
    if (this.#strays.size > 0 && this.#strays.get(held.position) === held) {
      this.#strays.delete(held.position);
    }
  }

  /** The server knows of the failure: what comes now comes in order. */
  unblock(held: Held): void {
    if (this.#blockedLanes.get(held.laneKey) === held) {
      this.#blockedLanes.delete(held.laneKey);
    }
  }

  /** What came from these partitions is given back; unset: from all. */
  lost(partitions?: ReadonlySet<number>): void {
    const reason = new Error('the subscription broke; the message is delivered again');
    this.#drop(({ raw }) => partitions?.has(raw.partition) ?? true, reason);
    for (const [lane, { raw }] of this.#blockedLanes) {
      if (partitions?.has(raw.partition) ?? true) {
        this.#blockedLanes.delete(lane);
      }
    }
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

  #mayStart(held: Held): boolean {
    return !this.#busyLanes.has(held.laneKey) && !this.#strays.has(held.position);
  }

  /** False if it was not held any more. */
  #letGo(held: Held): boolean {
    const { slot } = held;
    held.slot = undefined;
    return slot !== undefined && this.#held.take(slot) !== undefined;
  }

  #drop(matches: (held: Held) => boolean, reason: Error): void {
    for (const held of this.#held) {
      if (matches(held)) {
        this.#letGo(held);
        // A handler that runs may still settle it (the server is the judge); until then the message waits for it.
        if (held.state === 'handed' && held.isHandled) {
          this.#strays.set(held.position, held);
        } else {
          this.finished(held);
        }
        held.lose(reason);
      }
    }
    this.#ready = this.#ready.filter(({ state }) => state !== 'lost');
  }
}
