import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import {
  type ConsumerLeaseEffect,
  ConsumerLeases,
  type ConsumerLeasesOptions,
  type LeasedGroup,
} from '../src/index.js';
import { type ClusterWorld } from './cluster-world.js';
import { type SimulatedConsumer } from './simulated-consumer.js';

export const CONSUMER_TTL_MS = 10_000;

/** The one group of all consumers. */
export const GROUP: LeasedGroup = { topic: 'm', group: 'g', mode: 'EXCLUSIVE', partitions: 3, revision: 1 };

export interface ConsumerDeskOptions {
  readonly world: ClusterWorld;
  readonly node: SimulationNode;
  readonly leadershipEpoch: number;
  /** Whether the leader may still decide. */
  readonly isValid: () => boolean;
}

/** What a leader is for consumers: streams and one timer. Nothing is stored, so effects happen at once. */
export class ConsumerDesk {
  readonly #options: ConsumerDeskOptions;
  readonly #leases: ConsumerLeases;
  readonly #sessions = new Map<number, { end: StreamEnd; consumer: SimulatedConsumer }>();
  #cancel = (): void => undefined;

  constructor(options: ConsumerDeskOptions) {
    const { world, node, leadershipEpoch } = options;
    const from: ConsumerLeasesOptions = {
      ...{ leadershipEpoch, groups: [GROUP], nowMs: node.clock.monotonicMs(), ttlMs: CONSUMER_TTL_MS },
    };
    this.#options = options;
    this.#leases = world.bugs.createConsumerLeases?.(from) ?? new ConsumerLeases(from);
    this.#arm();
  }

  accept(session: number, end: StreamEnd, consumer: SimulatedConsumer): void {
    this.#sessions.set(session, { end, consumer });
    end.onEnd(() => {
      this.#sessions.delete(session);
      this.apply((leases, nowMs) => leases.sessionEnded(session, nowMs));
    });
  }

  apply(event: (leases: ConsumerLeases, nowMs: number) => ConsumerLeaseEffect[]): void {
    const { node, isValid } = this.#options;
    if (!isValid()) {
      return;
    }
    for (const effect of event(this.#leases, node.clock.monotonicMs())) {
      this.#run(effect);
    }
    this.#arm();
  }

  /** This side of a consumer's streams gives up, as its keepalive does. */
  dropSessionsOf(consumer: SimulatedConsumer): void {
    for (const { end, consumer: other } of [...this.#sessions.values()]) {
      if (other === consumer) {
        end.drop();
      }
    }
  }

  /** Leadership is over. */
  close(): void {
    this.#cancel();
    for (const { end } of this.#sessions.values()) {
      end.end();
    }
    this.#sessions.clear();
  }

  #run(effect: ConsumerLeaseEffect): void {
    const number = Number(effect.session);
    const session = this.#sessions.get(number);
    if (session === undefined) {
      return;
    }
    const { consumer, end } = session;
    if (effect.kind === 'close') {
      this.#sessions.delete(number);
      end.end();
      return;
    }
    if (effect.kind === 'grant') {
      effect.assignments.forEach((assignment) => {
        this.#options.world.consumption.granted(assignment, consumer.processOf(number));
      });
    }
    end.send(effect.kind, () => {
      consumer.receive(number, effect);
    });
  }

  #arm(): void {
    this.#cancel();
    const { node } = this.#options;
    const nextMs = this.#leases.nextTimerMs();
    if (nextMs < Number.POSITIVE_INFINITY) {
      const delayMs = Math.max(0, nextMs - node.clock.monotonicMs()) + 0.001;
      this.#cancel = node.timers.after(delayMs, () => {
        this.apply((leases, nowMs) => leases.tick(nowMs));
      });
    }
  }
}
