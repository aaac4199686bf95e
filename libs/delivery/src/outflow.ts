import type { Dispatch, DispatchOrder, Now } from './dispatcher-types.js';
import { type Entry, ENTRY_STATE } from './entry.js';
import type { InFlightShare } from './in-flight-pool.js';
import type { Lane } from './lane.js';
import { LanePicker } from './lane-picker.js';
import { Reservation } from './reservation.js';
import type { Settlement } from './settlement.js';
import type { Subscription } from './subscription.js';
import type { Turns } from './turns.js';
import type { Window } from './window.js';

/** Messages that one call of `dispatch` gives at most, so that a turn of the event loop stays short. */
export const DISPATCH_MAX = 1_000;

/**
 * Gives messages out: first again what was lost on its way to a consumer that has resumed, then what goes alone, then
 * the rest, by the weight of its lane to whoever's turn it is.
 */
export class Outflow {
  readonly #nextDeliveryNo: () => number;
  readonly #lanes: readonly Lane[];
  readonly #turns: Turns;
  readonly #window: Window;
  readonly #settlement: Settlement;
  readonly #inFlight: InFlightShare;
  readonly #picker: LanePicker;
  readonly #reservation = new Reservation();

  constructor(of: {
    readonly nextDeliveryNo: () => number;
    readonly lanes: readonly Lane[];
    readonly turns: Turns;
    readonly window: Window;
    readonly settlement: Settlement;
    readonly inFlight: InFlightShare;
  }) {
    this.#nextDeliveryNo = of.nextDeliveryNo;
    this.#lanes = of.lanes;
    this.#turns = of.turns;
    this.#window = of.window;
    this.#settlement = of.settlement;
    this.#inFlight = of.inFlight;
    this.#picker = new LanePicker(of.lanes.length);
  }

  /** What may be delivered now, at most DISPATCH_MAX messages of what is new. */
  dispatch(now: Now): DispatchOrder[] {
    const orders = new Map<Subscription, Dispatch[]>();
    this.#sendAgain(orders, now);
    if (!this.#settlement.settings.paused) {
      this.#sendAlone(orders, now);
      this.#send(orders, now);
    }
    return Array.from(orders, ([{ id }, dispatches]) => ({ subscriptionId: id, dispatches }));
  }

  /** Keeps no subscription's credit empty any more: its stream may go on with other partitions. */
  releaseReservation(): void {
    this.#reservation.release();
  }

  /** What was lost on the way counts as delivered just now: the same deliveries, in their order. */
  #sendAgain(orders: Map<Subscription, Dispatch[]>, now: Now): void {
    for (const subscription of this.#turns) {
      const { lostFrom } = subscription;
      if (lostFrom === undefined || !subscription.isReachable) {
        continue;
      }
      subscription.lostFrom = undefined;
      for (const entry of subscription.holding.filter(({ deliveryNo }) => deliveryNo >= lostFrom)) {
        this.#settlement.renew(entry, subscription, now);
        push(orders, subscription, dispatchOf(entry, true));
      }
    }
  }

  /** Messages that go alone, the most urgent first, each to a subscription that holds nothing. */
  #sendAlone(orders: Map<Subscription, Dispatch[]>, now: Now): void {
    for (;;) {
      const entry = this.#nextSuspect();
      if (entry === undefined) {
        this.#reservation.release();
        return;
      }
      const subscription = this.#reservation.find(this.#turns.takers);
      if (subscription === undefined || !this.#inFlight.take()) {
        return;
      }
      subscription.credit.takeAlone(entry.bytes);
      push(orders, subscription, this.#deliver(entry, subscription, now));
    }
  }

  #send(orders: Map<Subscription, Dispatch[]>, now: Now): void {
    for (let count = 0; count < DISPATCH_MAX; count += 1) {
      const entry = this.#nextEntry();
      const subscription = entry === undefined ? undefined : this.#turns.next(entry.bytes);
      if (entry === undefined || subscription === undefined || !this.#inFlight.take()) {
        return;
      }
      this.#picker.spend(entry.lane);
      subscription.credit.take(entry.bytes);
      push(orders, subscription, this.#deliver(entry, subscription, now));
    }
  }

  #nextSuspect(): Entry | undefined {
    for (let lane = this.#lanes.length - 1; lane >= 0; lane -= 1) {
      const entry = this.#lanes[lane]?.sequencer.peekSuspect();
      if (entry !== undefined) {
        return entry;
      }
    }
    return undefined;
  }

  #nextEntry(): Entry | undefined {
    const lane = this.#picker.pick((number) => this.#lanes[number]?.sequencer.peek() !== undefined);
    return lane === undefined ? undefined : this.#lanes[lane]?.sequencer.peek();
  }

  #deliver(entry: Entry, subscription: Subscription, now: Now): Dispatch {
    this.#lanes[entry.lane]?.sequencer.take(entry);
    this.#window.leave(entry);
    const { redelivered } = entry;
    entry.state = ENTRY_STATE.inFlight;
    entry.redelivered = true;
    entry.fate = undefined;
    entry.deliveryNo = this.#nextDeliveryNo();
    entry.subscription = subscription;
    this.#settlement.begin(entry, subscription, now);
    return dispatchOf(entry, redelivered);
  }
}

function dispatchOf({ lane, offset, attempts, deliveryNo, hasRecord }: Entry, redelivered: boolean): Dispatch {
  return { lane, offset, attempt: attempts + 1, deliveryNo, redelivered, mayExpire: !hasRecord };
}

function push(orders: Map<Subscription, Dispatch[]>, subscription: Subscription, dispatch: Dispatch): void {
  const dispatches = orders.get(subscription);
  if (dispatches === undefined) {
    orders.set(subscription, [dispatch]);
  } else {
    dispatches.push(dispatch);
  }
}
