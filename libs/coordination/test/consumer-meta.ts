import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import { type ConsumerLeaseEffect, ConsumerLeases, type LeasedGroup } from '../src/index.js';
import { type ConsumerWorld } from './consumer-world.js';
import { type SimulatedConsumer } from './simulated-consumer.js';

export const TTL_MS = 10_000;
export const PARTITIONS = 4;
const GROUP: LeasedGroup = { topic: 't', group: 'g', mode: 'EXCLUSIVE', partitions: PARTITIONS, revision: 1 };

/** The meta-server's shell: streams, one timer, and elections when it restarts. */
export class ConsumerMeta {
  readonly node: SimulationNode;
  elections = 0;
  electedAtMs = 0;
  readonly #world: ConsumerWorld;
  #sessions = new Map<number, { end: StreamEnd; consumer: SimulatedConsumer }>();
  #leases: ConsumerLeases;
  #cancel = (): void => undefined;

  constructor(world: ConsumerWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#leases = this.#create();
  }

  restart(): void {
    this.node.restart();
    this.elections += 1;
    this.electedAtMs = this.#world.simulation.nowMs;
    this.#sessions = new Map();
    this.#leases = this.#create();
  }

  accept(session: number, end: StreamEnd, consumer: SimulatedConsumer): void {
    this.#sessions.set(session, { end, consumer });
    end.onEnd(() => {
      this.#sessions.delete(session);
      this.apply((leases, nowMs) => leases.sessionEnded(session, nowMs));
    });
  }

  apply(event: (leases: ConsumerLeases, nowMs: number) => ConsumerLeaseEffect[]): void {
    for (const effect of event(this.#leases, this.node.clock.monotonicMs())) {
      const session = this.#sessions.get(Number(effect.session));
      if (effect.kind === 'close') {
        session?.end.end();
        this.#sessions.delete(Number(effect.session));
      } else {
        session?.end.send(effect.kind, () => {
          session.consumer.receive(Number(effect.session), effect);
        });
      }
    }
    this.#arm();
  }

  #create(): ConsumerLeases {
    const nowMs = this.node.clock.monotonicMs();
    const options = { leadershipEpoch: this.elections + 1, groups: [GROUP], nowMs, ttlMs: TTL_MS };
    return this.#world.bugs.createLeases?.(options) ?? new ConsumerLeases(options);
  }

  #arm(): void {
    this.#cancel();
    const nextMs = this.#leases.nextTimerMs();
    if (nextMs < Number.POSITIVE_INFINITY) {
      const delayMs = Math.max(0, nextMs - this.node.clock.monotonicMs()) + 0.001;
      this.#cancel = this.node.timers.after(delayMs, () => {
        this.apply((leases, nowMs) => leases.tick(nowMs));
      });
    }
  }
}
