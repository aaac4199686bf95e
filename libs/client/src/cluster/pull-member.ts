import { type Assignment, type HermesError, type RawDelivery } from '@hermes/contracts';
import { createDeferred, sleep } from '@hermes/runtime';
import { Claims } from './claims.js';
import { type ConsumerLeases, type ConsumerName, type Member } from './consumer-leases.js';
import { type Environment } from './environment.js';
import { InFlight } from './in-flight.js';
import { TimerSet } from './timer-set.js';

/** The lease of a consumer that pulls from an EXCLUSIVE group. It leaves once it has not pulled for a while. */
export class PullMember {
  readonly #claims = new Claims();
  readonly #inFlight = new InFlight();
  readonly #timers: TimerSet;
  readonly #environment: Environment;
  readonly #member: Member;
  readonly #granted = createDeferred<undefined>();
  readonly #onEnd: () => void;
  #error: HermesError | undefined;
  #cancelIdle: (() => void) | undefined;

  /** `onEnd` is called once it has left, or was refused. */
  constructor(leases: ConsumerLeases, name: ConsumerName, environment: Environment, onEnd: () => void) {
    this.#environment = environment;
    this.#timers = new TimerSet(environment.timers);
    this.#onEnd = onEnd;
    this.#member = leases.join(name, {
      granted: (assignments) => {
        this.#inFlight.lost(this.#claims.replace(assignments));
        this.#granted.resolve(undefined);
      },
      revoked: (assignment, graceMs) => {
        this.#revoke(assignment, graceMs);
      },
      doubted: () => undefined, // Whoever is refused is named, or alone, in the end.
      refused: (error) => {
        this.#error = error;
        this.#granted.resolve(undefined);
        this.#end();
      },
    });
  }

  /** The partitions that it may pull from now, once it was first granted any or `withinMs` have passed. */
  async claims(withinMs: number, signal: AbortSignal | undefined): Promise<Assignment[]> {
    await Promise.race([this.#granted.promise, sleep(this.#environment.timers, withinMs, signal)]);
    if (this.#error !== undefined) {
      throw this.#error;
    }
    return [...this.#claims.usable()];
  }

  /** A broker has refused this claim, for it knows a newer holder, at `observed`. */
  fence({ partition, epoch }: Assignment, observed: number): void {
    const claim = this.#claims.fence(partition, epoch);
    if (claim !== undefined && observed > epoch) {
      this.#member.epochTooLow(claim, observed);
    }
  }

  delivered(deliveries: readonly RawDelivery[]): void {
    this.#inFlight.delivered(deliveries);
  }

  settled(receipt: Uint8Array): void {
    this.#inFlight.settled(receipt);
  }

  /** It leaves unless this is called again within `ms`. */
  stayFor(ms: number): void {
    this.#cancelIdle?.();
    this.#cancelIdle = this.#timers.after(ms, () => {
      this.leave();
    });
  }

  leave(): void {
    this.#member.leave();
    this.#end();
  }

  /** What is in flight may still be settled, within the grace. */
  #revoke(assignment: Assignment, graceMs: number): void {
    this.#claims.revoke(assignment);
    const { partition } = assignment;
    const cancel = this.#timers.after(graceMs, () => {
      this.#inFlight.lost([partition]);
    });
    this.#inFlight.whenNone(partition, () => {
      cancel();
      this.#member.released(assignment);
    });
  }

  #end(): void {
    this.#timers.cancelAll();
    this.#onEnd();
  }
}
