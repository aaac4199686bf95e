import { type SeededRandom, type Simulation } from '@hermes/testing';

import { Credit, type DeliveryMode, GroupDispatcher, InFlightPool, type Now, SETTLE } from '../src/index.js';
import type { InFlightShare } from '../src/index.js';
import type * as library from '../src/index.js';
import { check } from './check.js';
import { POLICY } from './delivery-judge.js';
import { StoredGroup } from './stored-group.js';

/** The library that a world plays: the real one, or one with a bug. */
export type PoolCode = Pick<typeof library, 'Credit' | 'GroupDispatcher' | 'InFlightPool'>;

const RECORDS = 30;
const FAULTS_MS = 1_500;
const END_MS = 20_000;
const ACK_DEADLINE_MS = 60;

/**
 * Groups that share a pool far smaller than what they want; the first one's consumers never settle anything. Each is
 * driven as a broker drives it: by events alone. Who is not woken when there is room stands still for ever.
 */
export class InFlightWorld {
  readonly #simulation: Simulation;
  readonly #pool: InFlightPool;
  readonly #groups: SharingGroup[];

  constructor(simulation: Simulation, code: PoolCode = { Credit, GroupDispatcher, InFlightPool }) {
    this.#simulation = simulation;
    const random = simulation.random('pool');
    this.#pool = new code.InFlightPool(random.integer(10, 20));
    const modes: readonly DeliveryMode[] = ['shared', 'keyOrdered', 'exclusive'];
    this.#groups = Array.from({ length: random.integer(2, 5) }, (_, index) => {
      const mode = index === 0 ? 'shared' : random.pick(modes);
      const name = `group ${index}`;
      return new SharingGroup({ simulation, code, pool: this.#pool, name, mode, hoards: index === 0 });
    });
  }

  /** Plays faults, heals, lets everybody but the hoarder come to an end, and closes all. Gives what was waited for. */
  play(): void {
    this.#run(FAULTS_MS);
    for (const group of this.#groups) {
      group.heal();
    }
    this.#run(END_MS);
    for (const group of this.#groups.slice(1)) {
      check(group.isDone, `${group.name} was never settled`);
    }
    for (const group of this.#groups) {
      group.close();
    }
    check(this.#pool.used === 0, `room leaks: ${this.#pool.used}`);
    check(this.#pool.waiting === 0, 'closed groups wait');
  }

  #run(untilMs: number): void {
    this.#simulation.run(untilMs, () => {
      const { used, messagesMax } = this.#pool;
      check(used <= messagesMax, `${used} of ${messagesMax} are in flight`);
      const held = this.#groups.reduce((sum, group) => sum + group.inFlight, 0);
      check(held <= used, `${held} are in flight, of which the pool knows ${used}`);
    });
  }
}

interface SharingGroupOptions {
  readonly simulation: Simulation;
  readonly code: PoolCode;
  readonly pool: InFlightPool;
  readonly name: string;
  readonly mode: DeliveryMode;
  readonly hoards: boolean;
}

/** One group with its pump, its consumers, and the faults that they have. */
class SharingGroup {
  readonly name: string;
  readonly #options: SharingGroupOptions;
  readonly #random: SeededRandom;
  readonly #stored = new StoredGroup();
  #dispatcher!: GroupDispatcher;
  #incarnation = 0;
  #subscriptions: number[] = [];
  #ids = 0;
  #deliveryNo = 0;
  #isScheduled = false;
  #isHealed = false;
  /** Who has gone for good, or whose socket stays full, comes to no end. */
  #isLost = false;
  #cancelTimer = (): void => undefined;

  constructor(options: SharingGroupOptions) {
    this.name = options.name;
    this.#options = options;
    this.#random = options.simulation.random(options.name);
    this.#open();
    this.#join();
    for (let fault = 0; fault < (options.hoards ? 0 : 6); fault += 1) {
      options.simulation.after(this.#random.between(0, FAULTS_MS), `${this.name} fault`, () => {
        this.#fault();
      });
    }
  }

  get isDone(): boolean {
    return this.#isLost || this.#dispatcher.counts([RECORDS])[0]?.unsettled === 0;
  }

  get inFlight(): number {
    return this.#dispatcher.holders().reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** From now on everything is acknowledged; but some consumers do not come back, and some never read again. */
  heal(): void {
    this.#isHealed = true;
    this.#isLost = this.#random.chance(0.4);
    if (!this.#isLost) {
      this.#join();
    } else if (this.#random.chance(0.5)) {
      this.#leave();
    } else {
      for (const id of this.#subscriptions) {
        this.#dispatcher.setWritable(id, false);
      }
      this.#wake();
    }
  }

  /** Its partition is lost: nothing more is delivered, or written. */
  close(): void {
    this.#incarnation += 1;
    this.#cancelTimer();
    this.#subscriptions = [];
    this.#dispatcher.close();
  }

  #open(): void {
    const { code, pool, mode } = this.#options;
    const share: InFlightShare = pool.share(() => {
      this.#wake();
    });
    this.#dispatcher = new code.GroupDispatcher({
      mode,
      settings: { retry: POLICY, paused: false, deadLetterExpired: false },
      snapshot: this.#stored.snapshot(),
      redeliveredBelow: [RECORDS],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: this.#random,
      inFlight: share,
    });
    this.#wake();
  }

  #fault(): void {
    const draw = this.#random.next();
    if (draw < 0.3) {
      this.close();
      this.#open();
      this.#join();
    } else if (draw < 0.6) {
      this.#join();
    } else {
      this.#leave();
    }
  }

  #leave(): void {
    for (const id of this.#subscriptions.splice(0)) {
      this.#dispatcher.hold(id);
      this.#dispatcher.unsubscribe(id, this.#now());
    }
    this.#wake();
  }

  #join(): void {
    this.#ids += 1;
    const credit = new this.#options.code.Credit(this.#options.hoards ? 1_000 : this.#random.integer(1, 20), 10_000);
    const ackDeadlineMs = this.#options.hoards ? 10 * END_MS : ACK_DEADLINE_MS;
    const request = { id: this.#ids, consumer: `c${this.#ids}`, consumerEpoch: this.#ids, ackDeadlineMs, credit };
    const outcome = this.#dispatcher.subscribe(request, this.#now());
    const fenced = outcome.kind === 'accepted' ? outcome.fenced : [];
    this.#subscriptions = [...this.#subscriptions.filter((id) => !fenced.includes(id)), this.#ids];
    this.#commit();
    this.#wake();
  }

  #wake(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#options.simulation.after(this.#random.between(0, 1), `${this.name} step`, () => {
        this.#isScheduled = false;
        this.#step();
      });
    }
  }

  /** As a GroupPump does it: without a subscriber only time passes. */
  #step(): void {
    if (this.#subscriptions.length === 0) {
      this.#dispatcher.tick(this.#now());
    } else {
      this.#feed();
      const deliveries = this.#dispatcher.dispatch(this.#now()).flatMap(({ dispatches }) => dispatches);
      for (const { lane, offset, attempt, deliveryNo } of deliveries) {
        this.#consume({ lane, offset, attempt, deliveryNo, consumerEpoch: this.#subscriptions.at(-1) ?? 0 });
      }
      if (deliveries.length > 0) {
        this.#wake();
      }
    }
    this.#commit();
    this.#armTimer();
  }

  #feed(): void {
    const [wanted] = this.#dispatcher.wanted(this.#now());
    if (wanted !== undefined && wanted.from < RECORDS) {
      const offsets = Array.from({ length: RECORDS - wanted.from }, (_, index) => wanted.from + index);
      const keyHashes = offsets.map((offset) => offset % 7);
      const ends = offsets.map((_, index) => (index + 1) * 10);
      this.#dispatcher.feed(0, { from: wanted.from, nextOffset: RECORDS, offsets, keyHashes, ends });
    }
  }

  #consume(receipt: Omit<Parameters<GroupDispatcher['settle']>[0], 'kind'>): void {
    const draw = this.#isHealed ? 1 : this.#random.next();
    if (this.#options.hoards || draw < 0.1) {
      return;
    }
    const kind = draw < 0.2 ? SETTLE.nack : draw < 0.3 ? SETTLE.return : draw < 0.4 ? SETTLE.extend : SETTLE.ack;
    this.#options.simulation.after(this.#random.between(0, 20), `${this.name} settles ${receipt.offset}`, () => {
      this.#dispatcher.settle({ ...receipt, kind }, this.#now());
      this.#commit();
      this.#wake();
    });
  }

  #commit(): void {
    const sealed = this.#dispatcher.takeChanges(this.#now());
    const incarnation = this.#incarnation;
    if (sealed !== undefined) {
      this.#options.simulation.after(this.#random.between(0.5, 10), `${this.name} commits ${sealed.ticket}`, () => {
        if (incarnation === this.#incarnation) {
          sealed.changes.forEach((change) => {
            this.#stored.write(change);
          });
          this.#dispatcher.committed(sealed.ticket);
          this.#commit();
          this.#wake();
        }
      });
    }
  }

  #armTimer(): void {
    this.#cancelTimer();
    const waitMs = this.#dispatcher.nextTimerMs(this.#now());
    if (waitMs !== undefined) {
      this.#cancelTimer = this.#options.simulation.after(waitMs + 0.01, `${this.name} timer`, () => {
        this.#wake();
      });
    }
  }

  #now(): Now {
    return { monotonicMs: this.#options.simulation.nowMs, storeMs: this.#options.simulation.nowMs };
  }
}
