import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import { type ConsumerLeaseEffect, HeldAssignments, type HeldPartition, LeaseTerm } from '../src/index.js';
import { TTL_MS } from './consumer-meta.js';
import { type ConsumerWorld } from './consumer-world.js';

type Sent = Extract<ConsumerLeaseEffect, { kind: 'grant' } | { kind: 'revoke' }>;

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
