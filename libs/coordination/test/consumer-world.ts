import { type Simulation, type SimulationNode, type StreamEnd } from '@hermes/testing';

import {
  type ConsumerLeaseEffect,
  ConsumerLeases,
  type ConsumerLeasesOptions,
  HeldAssignments,
  type HeldPartition,
  type LeasedGroup,
  LeaseTerm,
} from '../src/index.js';

/** What a planted bug replaces; tests alone use it. */
export interface ConsumerBugs {
  readonly createLeases?: (options: ConsumerLeasesOptions) => ConsumerLeases;
}

export const TTL_MS = 10_000;
export const PARTITIONS = 4;
const GROUP: LeasedGroup = { topic: 't', group: 'g', mode: 'EXCLUSIVE', partitions: PARTITIONS, revision: 1 };

type Sent = Extract<ConsumerLeaseEffect, { kind: 'grant' } | { kind: 'revoke' }>;

/** A meta-server, consumers of one EXCLUSIVE group, and the broker that judges by consumer_epoch. */
export class ConsumerWorld {
  readonly simulation: Simulation;
  readonly bugs: ConsumerBugs;
  readonly random;
  readonly meta: SimulatedMeta;
  readonly consumers: SimulatedConsumer[] = [];
  /** Highest consumer_epoch per partition, who subscribed with it, and when it last settled. */
  readonly judge = new Map<number, { epoch: number; consumer: SimulatedConsumer; settledAtMs: number }>();
  #sessions = 0;

  constructor(simulation: Simulation, bugs: ConsumerBugs = {}) {
    this.simulation = simulation;
    this.bugs = bugs;
    this.random = simulation.random('world');
    this.meta = new SimulatedMeta(this, simulation.node('meta', { clockRate: this.#rate() }));
  }

  addConsumer(): void {
    const node = this.simulation.node(`c${this.consumers.length}`, { clockRate: this.#rate() });
    this.consumers.push(new SimulatedConsumer(this, node));
  }

  nextSession(): number {
    return ++this.#sessions;
  }

  /** The broker's part: stores the highest epoch before it answers, refuses lower ones, in Subscribe and settles. */
  settle(consumer: SimulatedConsumer, { partition, epoch }: HeldPartition): boolean {
    const known = this.judge.get(partition);
    if (known !== undefined && epoch < known.epoch) {
      return false;
    }
    if (known?.epoch === epoch && known.consumer !== consumer) {
      throw new Error(
        `${partition}: ${consumer.node.name} settles with the consumer epoch ${epoch} of another consumer`,
      );
    }
    this.judge.set(partition, { epoch, consumer, settledAtMs: this.simulation.nowMs });
    return true;
  }

  /** At most one running consumer believes its lease valid; after an election that takes until the old leases end. */
  checkHolders(): void {
    if (this.simulation.nowMs < this.meta.electedAtMs + TTL_MS + 1_000 && this.meta.elections > 0) {
      return;
    }
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const holders = this.consumers.filter((consumer) => consumer.holds(partition));
      if (holders.length > 1) {
        throw new Error(`${partition} has two consumers: ${holders.map(({ node }) => node.name).join(', ')}`);
      }
    }
  }

  checkServed(withinMs: number): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const settledAtMs = this.judge.get(partition)?.settledAtMs ?? -1;
      if (settledAtMs < this.simulation.nowMs - withinMs) {
        throw new Error(`${partition} has no consumer; last settled at ${settledAtMs.toFixed(0)} ms`);
      }
    }
  }

  #rate(): number {
    return this.random.between(0.98, 1.02);
  }
}

class SimulatedMeta {
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

/** A consumer's shell: one stream with one member, and work on what it holds. */
export class SimulatedConsumer {
  readonly node: SimulationNode;
  readonly #world: ConsumerWorld;
  #name = '';
  #term = new LeaseTerm();
  #held = new HeldAssignments();
  #end: StreamEnd | undefined;
  #session = 0;
  /** Never used twice on one stream: a grant that crosses a leave must not be taken for the next join's. */
  #member = 1;
  #answeredAtMs = 0;

  constructor(world: ConsumerWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#start();
  }

  restart(): void {
    this.node.restart();
    this.#start();
  }

  holds(partition: number): boolean {
    const valid = this.#term.isValid(this.node.clock.monotonicMs()) && this.#held.find('t', partition) !== undefined;
    return valid && this.node.state === 'running';
  }

  dropStream(): void {
    this.#end?.drop();
  }

  /** Leaves and joins again. */
  rejoin(): void {
    if (this.node.state === 'running') {
      const member = this.#member;
      this.#member += 1;
      this.#held.clear();
      this.#send('leave', (session) => {
        this.#world.meta.apply((leases, nowMs) => leases.leave(session, member, nowMs));
      });
      this.#join();
    }
  }

  receive(session: number, effect: Sent): void {
    if (session !== this.#session) {
      return;
    }
    this.#tick();
    if (session !== this.#session || (effect.member !== this.#member && effect.member !== 0)) {
      return;
    }
    if (effect.kind === 'revoke') {
      this.node.timers.after(this.#world.random.between(0, 300), () => {
        this.#release(effect.assignment);
      });
      return;
    }
    if (effect.sequence > 0) {
      this.#answeredAtMs = this.node.clock.monotonicMs();
      this.#term.answered(this.#term.stream, effect.sequence, effect.ttlMs);
    }
    if (effect.changed) {
      this.#held.replace(effect.assignments);
    }
  }

  #start(): void {
    // A process of its own name each time: an earlier one is another consumer, whose lease must end first.
    this.#name = `${this.node.name}-${this.node.life}`;
    this.#term = new LeaseTerm();
    this.#held = new HeldAssignments();
    this.#session = 0;
    this.#connect();
    this.#beat();
    this.#work();
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.node.clock.monotonicMs(), wallMs: this.node.clock.wallMs() };
  }

  #connect(): void {
    this.#end?.end();
    const { simulation, meta } = this.#world;
    const session = this.#world.nextSession();
    this.#session = session;
    this.#answeredAtMs = this.node.clock.monotonicMs();
    if (meta.node.state === 'crashed') {
      this.#end = undefined;
      this.#later(session);
      return;
    }
    const { near, far } = simulation.network.connect({ from: this.node, to: meta.node, label: `s${session}` });
    this.#end = near;
    near.onEnd(() => {
      this.#later(session);
    });
    this.#term.begin();
    near.send('stream', () => {
      meta.accept(session, far, this);
    });
    this.#join();
    this.#heartbeat();
  }

  #join(): void {
    const held = this.#held.all;
    const consumer = { member: this.#member, topic: 't', group: 'g', consumer: this.#name, zone: '', maxPartitions: 0 };
    this.#send('join', (session) => {
      this.#world.meta.apply((leases, nowMs) => leases.join(session, { ...consumer, held }, nowMs));
    });
  }

  #later(session: number): void {
    this.node.timers.after(200, () => {
      if (session === this.#session) {
        this.#connect();
      }
    });
  }

  #beat(): void {
    this.node.timers.after(TTL_MS / 3, () => {
      if (this.node.clock.monotonicMs() - this.#answeredAtMs > (2 * TTL_MS) / 3) {
        this.#connect();
      } else {
        this.#heartbeat();
      }
      this.#beat();
    });
  }

  #heartbeat(): void {
    this.#tick();
    const sequence = this.#term.heartbeat(this.#now());
    this.#send('heartbeat', (session) => {
      this.#world.meta.apply((leases, nowMs) => leases.heartbeat(session, sequence, nowMs));
    });
  }

  #tick(): void {
    if (this.#term.hasEnded(this.#now())) {
      this.#held.clear();
      this.#connect();
    }
  }

  #release(held: HeldPartition): void {
    if (this.#held.release(held)) {
      const member = this.#member;
      const send = (): void => {
        this.#send('released', (session) => {
          this.#world.meta.apply((leases, nowMs) => leases.released(session, member, held, nowMs));
        });
      };
      send();
      this.node.timers.after(this.#world.random.between(1, 10_000), send);
    }
  }

  #send(label: string, arrive: (session: number) => void): void {
    const session = this.#session;
    this.#end?.send(label, () => {
      arrive(session);
    });
  }

  /** Settles on all that it holds; a consumer that wakes up late sends what it had decided before. */
  #work(): void {
    this.node.timers.after(1_000, () => {
      this.#tick();
      for (const held of this.#held.all) {
        if (this.holds(held.partition)) {
          this.#world.simulation.after(this.#world.simulation.network.delayMs(), 'settle', () => {
            this.#world.settle(this, held);
          });
        }
      }
      this.#work();
    });
  }
}
