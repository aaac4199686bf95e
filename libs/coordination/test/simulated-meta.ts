import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import { type BrokerLeaseEffect, BrokerLeases, type BrokerLeasesOptions } from '../src/index.js';
import { ConsumerDesk } from './consumer-desk.js';
import { type SimulatedConsumer } from './simulated-consumer.js';
import { type ClusterWorld } from './cluster-world.js';
import { type Reply, type SimulatedBroker } from './simulated-broker.js';
import { LEADERSHIP_TTL_MS } from './simulated-database.js';

export const TTL_MS = 10_000;

/** Leaders believe in themselves for so long after their last renewal was sent. */
const BELIEF_MS = LEADERSHIP_TTL_MS - 500;
const RENEW_MS = 1_000;
const CANDIDATE_POLL_MS = 500;
const RETRY_MS = 100;

/** What a meta-server is while it leads. */
interface Term {
  readonly epoch: number;
  readonly leases: BrokerLeases;
  readonly consumers: ConsumerDesk;
  readonly queue: BrokerLeaseEffect[];
  validUntilMs: number;
  busy: boolean;
  writes: number;
}

/**
 * A meta-server's shell. It campaigns until nobody else leads; while it leads it has a queue of effects in strict
 * order, sessions and one timer, all of which end with its leadership.
 */
export class SimulatedMeta {
  readonly node: SimulationNode;
  readonly #world: ClusterWorld;
  #term: Term | undefined;
  #sessions = new Map<number, { end: StreamEnd; broker: SimulatedBroker }>();
  #cancel = (): void => undefined;

  constructor(world: ClusterWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#start();
  }

  /** Whether it runs and believes that it leads. */
  get leads(): boolean {
    return this.node.state === 'running' && this.#valid() !== undefined;
  }

  get leases(): BrokerLeases | undefined {
    return this.#term?.leases;
  }

  restart(): void {
    this.node.restart();
    this.#start();
  }

  accept(session: number, end: StreamEnd, broker: SimulatedBroker): void {
    if (this.#valid() === undefined) {
      end.end();
      return;
    }
    this.#sessions.set(session, { end, broker });
    end.onEnd(() => {
      this.#sessions.delete(session);
      this.apply((leases, nowMs) => leases.sessionEnded(session, nowMs));
    });
  }

  /** This side of a broker's streams gives up, as its keepalive does. */
  dropSessionsOf(broker: SimulatedBroker): void {
    for (const { end, broker: other } of [...this.#sessions.values()]) {
      if (other === broker) {
        end.drop();
      }
    }
  }

  acceptConsumer(session: number, end: StreamEnd, consumer: SimulatedConsumer): void {
    const term = this.#valid();
    if (term === undefined) {
      end.end();
    } else {
      term.consumers.accept(session, end, consumer);
    }
  }

  applyConsumers(event: Parameters<ConsumerDesk['apply']>[0]): void {
    this.#valid()?.consumers.apply(event);
  }

  dropConsumer(consumer: SimulatedConsumer): void {
    this.#term?.consumers.dropSessionsOf(consumer);
  }

  /** Nothing is decided without leadership. */
  apply(event: (leases: BrokerLeases, nowMs: number) => BrokerLeaseEffect[]): void {
    const term = this.#valid();
    if (term !== undefined) {
      term.queue.push(...event(term.leases, this.node.clock.monotonicMs()));
      this.#pump(term);
      this.#arm(term);
    }
  }

  #start(): void {
    this.#term = undefined;
    this.#sessions = new Map();
    this.#campaign();
  }

  #valid(): Term | undefined {
    const term = this.#term;
    const believes = this.#world.bugs.believesForEver === true;
    return term !== undefined && (believes || this.node.clock.monotonicMs() < term.validUntilMs) ? term : undefined;
  }

  #campaign(): void {
    const { database } = this.#world;
    const sentAtMs = this.node.clock.monotonicMs();
    const again = (): void => {
      this.node.timers.after(CANDIDATE_POLL_MS, () => {
        this.#campaign();
      });
    };
    const ask = (): (() => void) => {
      const epoch = database.take();
      if (epoch === undefined) {
        return again;
      }
      const state = { assignments: [...database.rows.values()], brokers: [...database.brokerRows.values()] };
      return () => {
        this.#lead({ epoch, sentAtMs }, state);
      };
    };
    database.call(this.node, ask, again);
  }

  #lead(
    { epoch, sentAtMs }: { epoch: number; sentAtMs: number },
    { assignments, brokers }: Pick<BrokerLeasesOptions, 'assignments' | 'brokers'>,
  ): void {
    const { bugs, topics } = this.#world;
    const options: BrokerLeasesOptions = {
      ...{ topics, brokers: brokers ?? [], ttlMs: TTL_MS, nowMs: this.node.clock.monotonicMs() },
      assignments: bugs.load?.([...assignments]) ?? assignments,
      renewedInDatabase: true,
    };
    const leases = bugs.createLeases?.(options) ?? new BrokerLeases(options);
    const isValid = (): boolean => this.#valid()?.epoch === epoch;
    const consumers = new ConsumerDesk({ world: this.#world, node: this.node, leadershipEpoch: epoch, isValid });
    const begun = { epoch, leases, consumers, validUntilMs: sentAtMs + BELIEF_MS };
    const term: Term = { ...begun, queue: [], busy: false, writes: 0 };
    this.#term = term;
    this.#world.electedAtMs = this.#world.simulation.nowMs;
    consumers.apply((state, nowMs) => state.routesChanged(leases.routes(), nowMs));
    this.#arm(term);
    this.#renewLater(term);
    this.#watch(term);
  }

  #renewLater(term: Term): void {
    this.node.timers.after(RENEW_MS, () => {
      if (term !== this.#term) {
        return;
      }
      const sentAtMs = this.node.clock.monotonicMs();
      const { database } = this.#world;
      const ask = (): (() => void) => {
        const renewed = database.renew(term.epoch);
        return () => {
          if (!renewed) {
            this.#lose(term);
          } else if (term === this.#term) {
            term.validUntilMs = sentAtMs + BELIEF_MS;
            this.#renewLater(term);
          }
        };
      };
      database.call(this.node, ask, () => {
        this.#renewLater(term);
      });
    });
  }

  /** Steps down in time where leadership cannot be renewed. */
  #watch(term: Term): void {
    const leftMs = term.validUntilMs - this.node.clock.monotonicMs();
    if (term !== this.#term) {
      return;
    }
    if (leftMs <= 0 && this.#world.bugs.believesForEver !== true) {
      this.#lose(term);
      return;
    }
    this.node.timers.after(Math.max(leftMs, RETRY_MS), () => {
      this.#watch(term);
    });
  }

  #lose(term: Term): void {
    if (term !== this.#term) {
      return;
    }
    this.#term = undefined;
    term.consumers.close();
    this.#cancel();
    for (const { end } of this.#sessions.values()) {
      end.end();
    }
    this.#sessions = new Map();
    this.#campaign();
  }

  #arm(term: Term): void {
    this.#cancel();
    const nextMs = term.leases.nextTimerMs();
    if (nextMs < Number.POSITIVE_INFINITY) {
      const delayMs = Math.max(0, nextMs - this.node.clock.monotonicMs()) + 0.001;
      this.#cancel = this.node.timers.after(delayMs, () => {
        this.apply((leases, nowMs) => leases.tick(nowMs));
      });
    }
  }

  #pump(term: Term): void {
    while (!term.busy && term === this.#term) {
      const effect = term.queue.shift();
      if (effect === undefined) {
        return;
      }
      this.#run(term, effect);
    }
  }

  #run(term: Term, effect: BrokerLeaseEffect): void {
    const { database, bugs } = this.#world;
    const by = { epoch: term.epoch, write: ++term.writes };
    switch (effect.kind) {
      case 'persist':
        term.busy = bugs.grantsBeforePersist !== true;
        this.#write(term, () => (database.save(by, effect) ? 0 : undefined));
        return;
      case 'endLease':
        term.busy = true;
        this.#write(
          term,
          () => database.endLease(by, effect),
          (lastsMs) => {
            this.apply((leases, nowMs) => leases.leaseEnded({ check: effect.check, lastsMs }, nowMs));
          },
        );
        return;
      case 'probe':
        this.#probe(effect);
        return;
      case 'close':
        this.#sessions.get(Number(effect.session))?.end.end();
        this.#sessions.delete(Number(effect.session));
        return;
      case 'grant':
      case 'revoke':
        // What was decided before it waited for the database may come too late to be said.
        if (this.#valid() !== undefined) {
          this.#send(effect);
        }
        return;
      case 'routes':
        term.consumers.apply((leases, nowMs) => leases.routesChanged(effect.changed, nowMs));
        return;
      case 'ready':
    }
  }

  /** Insists for as long as it leads: rows are written whole, and to end what has ended changes nothing. */
  #write(term: Term, statement: () => number | undefined, done: (answer: number) => void = () => undefined): void {
    const ask = (): (() => void) => {
      const answer = statement();
      return () => {
        if (answer === undefined) {
          this.#lose(term);
        } else if (term === this.#term) {
          term.busy = false;
          done(answer);
          this.#pump(term);
        }
      };
    };
    this.#world.database.call(this.node, ask, () => {
      if (term === this.#term) {
        this.node.timers.after(RETRY_MS, () => {
          this.#write(term, statement, done);
        });
      }
    });
  }

  #send(effect: Reply): void {
    const session = this.#sessions.get(Number(effect.session));
    if (session === undefined) {
      return;
    }
    const { broker, end } = session;
    if (effect.kind === 'grant') {
      effect.assignments.forEach((assignment) => {
        this.#world.checkGrant(assignment, broker.incarnationOf(Number(effect.session)));
      });
    }
    end.send(effect.kind, () => {
      broker.receive(Number(effect.session), effect);
    });
  }

  #probe({ probe, broker }: { probe: number; broker: string }): void {
    const target = this.#world.brokers.find(({ node }) => node.name === broker);
    const { network } = this.#world.simulation;
    this.node.timers.after(network.delayMs() * 2, () => {
      const cut =
        target === undefined || network.isCut(this.node, target.node) || network.isCut(target.node, this.node);
      const refused = (!cut && target.node.state === 'crashed') || this.#world.bugs.probeRefusesAlways === true;
      this.apply((leases, nowMs) => leases.probed({ probe, refused }, nowMs));
    });
  }
}
