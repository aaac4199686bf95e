import { GroupMode } from '@hermes/contracts';
import { Slots } from '@hermes/runtime';
import { type Held } from './delivery.js';

/**
 * The deliveries that a consumer holds: waiting ones in order, and those that were handed out.
 *
 * In EXCLUSIVE groups one handler at a time has deliveries of a lane, in their order, and a lane whose message has failed is
 * blocked: what it still holds is void, for the server delivers it again, in order, from the failed one on.
 */
export class DeliveryPool {
  readonly #held = new Slots<Held>();
  /** The same by lane and offset. */
  readonly #lanes = new Map<number, Map<number, Held>>();
  #ready: Held[] = [];
  /** EXCLUSIVE: what is handed out of a lane, by lane. */
  readonly #busyLanes = new Map<number, Set<Held>>();
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

  /** How many wait, whether they may be handed out or not. */
  get waiting(): number {
    return this.#ready.length;
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
    const lane = this.#lanes.get(held.laneKey) ?? new Map<number, Held>();
    if (lane.has(held.raw.offset)) {
      this.#supersede(held);
    }
    this.#lanes.set(held.laneKey, lane.set(held.raw.offset, held));
    held.slot = this.#held.add(held);
    this.#ready.push(held);
  }

  /** Hands out the next deliveries to one handler, at most `max`; none if none may be. */
  next(max: number): Held[] {
    const lanes = new Set<number>();
    const batch: Held[] = [];
    while (batch.length < max) {
      const held = this.#take(lanes);
      if (held === undefined) {
        break;
      }
      held.state = 'handed';
      batch.push(held);
      if (this.#exclusive) {
        lanes.add(held.laneKey);
        const busy = this.#busyLanes.get(held.laneKey) ?? new Set();
        this.#busyLanes.set(held.laneKey, busy.add(held));
      }
    }
    return batch;
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
    const busy = this.#busyLanes.get(held.laneKey);
    if (busy?.delete(held) === true && busy.size === 0) {
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

  /**
   * The message is delivered anew, by another owner: behind a gateway nobody says that what an owner had sent is lost. What
   * is held of it is void, and so is what an EXCLUSIVE lane holds behind it, which comes anew as well.
   */
  #supersede({ laneKey, raw: { offset } }: Held): void {
    const isVoid = (one: Held): boolean =>
      one.laneKey === laneKey && (this.#exclusive ? one.raw.offset >= offset : one.raw.offset === offset);
    this.#drop(isVoid, new Error('the message was delivered anew'));
  }

  /** The first that may go to a handler which has these lanes already. */
  #take(lanes: ReadonlySet<number>): Held | undefined {
    if (!this.#exclusive && this.#strays.size === 0) {
      return this.#ready.shift();
    }
    const mayGo = ({ laneKey, position }: Held): boolean =>
      (lanes.has(laneKey) || !this.#busyLanes.has(laneKey)) && !this.#strays.has(position);
    const index = this.#ready.findIndex(mayGo);
    return index < 0 ? undefined : this.#ready.splice(index, 1)[0];
  }

  /** False if it was not held any more. */
  #letGo(held: Held): boolean {
    const { slot, laneKey, raw } = held;
    held.slot = undefined;
    const lane = this.#lanes.get(laneKey);
    if (lane?.get(raw.offset) === held) {
      lane.delete(raw.offset);
    }
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
