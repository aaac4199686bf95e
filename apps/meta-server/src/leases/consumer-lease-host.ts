import { type HermesError, type HoldConsumerLeaseResponse } from '@hermes/contracts';
import { type ConsumerLeaseEffect, type ConsumerLeases, type ConsumerView, type SessionId } from '@hermes/coordination';
import { type Leadership } from '@hermes/metadata';
import { type Clock, type Timers } from '@hermes/runtime';

import { Alarm } from './alarm.js';
import { consumerFrame } from './consumer-frame.js';
import { LeaseSessions, type SessionOutlet } from './lease-sessions.js';

/** What the consumer leases act upon. */
export interface ConsumerLeaseHostOptions {
  readonly leases: ConsumerLeases;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Nothing is decided or granted without it. */
  readonly leadership: Pick<Leadership, 'isValid'>;
}

/** Gives the pure consumer leases their time and streams. Nothing of them is stored, so effects happen at once. */
export class ConsumerLeaseHost {
  readonly #leases: ConsumerLeases;
  readonly #clock: Clock;
  readonly #sessions = new LeaseSessions<HoldConsumerLeaseResponse>();
  readonly #alarm: Alarm;
  readonly #leadership: Pick<Leadership, 'isValid'>;
  #ended: HermesError | undefined;
  #sessionCount = 0;

  constructor({ leases, clock, timers, leadership }: ConsumerLeaseHostOptions) {
    this.#leases = leases;
    this.#leadership = leadership;
    this.#clock = clock;
    this.#alarm = new Alarm({
      timers,
      clock,
      ring: () => {
        this.apply((state, nowMs) => state.tick(nowMs));
      },
    });
  }

  /** For questions; events go through `apply`. */
  get leases(): Pick<ConsumerLeases, 'consumerCount'> {
    return this.#leases;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** The consumers as they are now, in no order. */
  consumers(): ConsumerView[] {
    return this.#leases.consumers(this.#clock.monotonicMs());
  }

  /** Makes a stream known. */
  open(outlet: SessionOutlet<HoldConsumerLeaseResponse>): SessionId {
    this.#sessionCount += 1;
    this.#sessions.open(this.#sessionCount, outlet);
    if (this.#ended !== undefined) {
      outlet.close(this.#ended);
    }
    return this.#sessionCount;
  }

  /** The stream has ended, whoever ended it. */
  ended(session: SessionId): void {
    if (this.#sessions.ended(session)) {
      this.apply((leases, nowMs) => leases.sessionEnded(session, nowMs));
    }
  }

  /** Tells the leases of an event and does what they decide. */
  apply(event: (leases: ConsumerLeases, nowMs: number) => readonly ConsumerLeaseEffect[]): void {
    if (this.#ended !== undefined || !this.#leadership.isValid()) {
      return;
    }
    for (const effect of event(this.#leases, this.#clock.monotonicMs())) {
      if (effect.kind === 'close') {
        this.#sessions.close(effect);
      } else {
        this.#sessions.send(effect.session, consumerFrame(effect));
      }
    }
    this.#alarm.set(this.#leases.nextTimerMs());
  }

  /** Ends all streams; leases are no longer changed. */
  stop(reason: HermesError): void {
    this.#ended ??= reason;
    this.#alarm.stop();
    this.#sessions.closeAll(reason);
  }
}
