import { type HermesError, type HoldBrokerLeaseResponse } from '@hermes/contracts';
import {
  type BrokerLeaseEffect,
  type BrokerLeases,
  type BrokerView,
  type EndLeaseEffect,
  type SessionId,
  type TopicRoutes,
} from '@hermes/coordination';
import { type Leadership } from '@hermes/metadata';
import { type Clock, type Serial, type TaskGroup, type Timers } from '@hermes/runtime';

import { Alarm } from './alarm.js';
import { brokerFrame } from './broker-frame.js';
import { DataSourceHealth } from './data-source-health.js';
import { EffectQueue } from './effect-queue.js';
import { LeaseSessions, type SessionOutlet } from './lease-sessions.js';
import { type LeaseWrites } from './lease-writes.js';
import { isRefused } from './probe.js';

/** What the broker leases act upon. */
export interface BrokerLeaseHostOptions {
  readonly leases: BrokerLeases;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Orders effects with the changes of metadata. */
  readonly serial: Serial;
  readonly tasks: TaskGroup;
  /** Nothing is decided or granted without it. */
  readonly leadership: Pick<Leadership, 'isValid'>;
  /** Durable once they resolve. */
  readonly writes: LeaseWrites;
  readonly onRoutes: (changed: readonly TopicRoutes[]) => void;
  readonly onReady: (topic: string) => void;
  /** A write failed for good: what was decided on it must not happen, so the process cannot go on. */
  readonly onFatal: (error: unknown) => void;
}

/** What a broker says of its process. */
export interface BrokerProcessFacts {
  /** Version of the program; empty: it has not said. */
  readonly build: string;
  /** It can keep groups' state in the metadata database. */
  readonly reachesMetadata: boolean;
}

/** Gives the pure broker leases their time, streams, disk and network. */
export class BrokerLeaseHost {
  /** What the brokers say of the data sources that they use. */
  readonly dataSources = new DataSourceHealth();
  readonly #options: BrokerLeaseHostOptions;
  readonly #sessions = new LeaseSessions<HoldBrokerLeaseResponse>();
  readonly #effects: EffectQueue<BrokerLeaseEffect>;
  readonly #alarm: Alarm;
  readonly #processes = new Map<string, BrokerProcessFacts>();
  #ended: HermesError | undefined;
  #sessionCount = 0;

  constructor(options: BrokerLeaseHostOptions) {
    const { clock, timers, serial, onFatal } = options;
    this.#options = options;
    this.#effects = new EffectQueue({
      serial,
      execute: (effect) => this.#execute(effect),
      needsDisk: ({ kind }) => kind === 'persist' || kind === 'endLease',
      onFailure: onFatal,
    });
    this.#alarm = new Alarm({
      timers,
      clock,
      ring: () => {
        this.apply((leases, nowMs) => leases.tick(nowMs));
      },
    });
  }

  /** For questions; events go through `apply`. */
  get leases(): Pick<
    BrokerLeases,
    'holderOf' | 'isReady' | 'partitions' | 'partitionsLeft' | 'routes' | 'moveRefusal' | 'rebalanceMoves'
  > {
    return this.#options.leases;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get waitingEffects(): number {
    return this.#effects.waiting;
  }

  /** The brokers as they are now. */
  brokers(): BrokerView[] {
    return this.#options.leases.brokers(this.#options.clock.monotonicMs());
  }

  /** Notes what a broker says of its process, on which no lease depends. */
  noteProcess(broker: string, process: BrokerProcessFacts): void {
    this.#processes.set(broker, process);
  }

  /** Undefined: it has not registered here. */
  processOf(broker: string): BrokerProcessFacts | undefined {
    return this.#processes.get(broker);
  }

  /** Lets time begin: leases of before the start run out from now. */
  start(): void {
    this.apply((leases, nowMs) => leases.tick(nowMs));
  }

  /** Makes a stream known. */
  open(outlet: SessionOutlet<HoldBrokerLeaseResponse>): SessionId {
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

  /** Tells the leases of an event; what they decide is carried out in order, soon. */
  apply(event: (leases: BrokerLeases, nowMs: number) => readonly BrokerLeaseEffect[]): void {
    const { leases, clock, leadership } = this.#options;
    if (this.#ended !== undefined || !leadership.isValid()) {
      // Whoever waits for an answer hears NOT_LEADER with the end of its stream, at once.
      return;
    }
    this.#effects.push(event(leases, clock.monotonicMs()));
    this.#alarm.set(leases.nextTimerMs());
  }

  /** Ends all streams; leases are no longer changed. Brokers keep theirs until they end. */
  stop(reason: HermesError): void {
    this.#ended ??= reason;
    this.#alarm.stop();
    this.#sessions.closeAll(reason);
  }

  #execute(effect: BrokerLeaseEffect): Promise<void> | void {
    switch (effect.kind) {
      case 'persist':
        for (const name of effect.forgottenBrokers) {
          this.#processes.delete(name);
          this.dataSources.forget(name);
        }
        return this.#options.writes.persist(effect);
      case 'endLease':
        return this.#endLease(effect);
      case 'grant':
      case 'revoke':
        // What was decided before it waited for the disk may come too late to be said.
        if (this.#options.leadership.isValid()) {
          this.#sessions.send(effect.session, brokerFrame(effect));
        }
        return;
      case 'close':
        this.#sessions.close(effect);
        return;
      case 'probe':
        this.#options.tasks.run('probe', async () => {
          const refused = await isRefused(effect.endpoint);
          this.apply((leases, nowMs) => leases.probed({ probe: effect.probe, refused }, nowMs));
        });
        return;
      case 'routes':
        this.#options.onRoutes(effect.changed);
        return;
      case 'ready':
        this.#options.onReady(effect.topic);
        return;
    }
  }

  async #endLease(effect: EndLeaseEffect): Promise<void> {
    const lastsMs = await this.#options.writes.endLease(effect);
    this.apply((leases, nowMs) => leases.leaseEnded({ check: effect.check, lastsMs }, nowMs));
  }
}
