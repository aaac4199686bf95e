import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import {
  type ConsumerLeaseEffect,
  HeldAssignments,
  type HeldPartition,
  type LeaseAssignment,
  LeaseTerm,
} from '../src/index.js';
import { type ClusterWorld } from './cluster-world.js';
import { CONSUMER_TTL_MS, GROUP } from './consumer-desk.js';
import { keyOf } from './fenced-store.js';
import { type SimulatedBroker } from './simulated-broker.js';
import { type SimulatedMeta } from './simulated-meta.js';

const WORK_EVERY_MS = 1_500;
const RECONNECT_MS = 200;
const HANDLER_MS_MAX = 1_000;

type Sent = Extract<ConsumerLeaseEffect, { kind: 'grant' } | { kind: 'revoke' }>;

/** A consumer's shell: one stream with one member, and work on what it holds. */
export class SimulatedConsumer {
  readonly node: SimulationNode;
  readonly #world: ClusterWorld;
  readonly #processes = new Map<number, string>();
  /** Consumer epochs at which a broker has let it subscribe, by partition. */
  readonly #subscribed = new Map<number, { broker: SimulatedBroker; epoch: number }>();
  #process = '';
  #name = '';
  #term = new LeaseTerm();
  #held = new HeldAssignments();
  #end: StreamEnd | undefined;
  #session = 0;
  #meta!: SimulatedMeta;
  #attempts = 0;
  /** Never used twice on one stream: a grant that crosses a leave must not be taken for the next join's. */
  #member = 1;
  #isMember = true;
  #answeredAtMs = 0;

  constructor(world: ClusterWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#start();
  }

  restart(): void {
    this.node.restart();
    this.#start();
  }

  processOf(session: number): string {
    return this.#processes.get(session) ?? '';
  }

  isAt(meta: SimulatedMeta): boolean {
    return this.#meta === meta;
  }

  holds(partition: number): boolean {
    const valid = this.#term.isValid(this.node.clock.monotonicMs());
    return valid && this.#held.find(GROUP.topic, partition) !== undefined && this.node.state === 'running';
  }

  dropStream(): void {
    this.#end?.drop();
  }

  /** Gives everything back and is no member any more, until `rejoin`. */
  leave(): void {
    if (this.node.state === 'running' && this.#isMember) {
      const member = this.#member;
      this.#isMember = false;
      this.#held.clear();
      this.#send('leave', (session, meta) => {
        meta.applyConsumers((leases, nowMs) => leases.leave(session, member, nowMs));
      });
    }
  }

  rejoin(): void {
    if (this.node.state === 'running' && !this.#isMember) {
      this.#isMember = true;
      this.#member += 1;
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
    if (effect.changed && this.#isMember) {
      this.#held.replace(effect.assignments);
    }
  }

  #start(): void {
    const { node } = this;
    this.#process = `${node.name}#${node.life}`;
    // Some come back under their name, others under a new one: then the earlier consumer's lease must end first.
    this.#name = this.#world.random.chance(0.5) ? node.name : this.#process;
    this.#term = new LeaseTerm();
    this.#held = new HeldAssignments();
    this.#subscribed.clear();
    this.#session = 0;
    this.#isMember = true;
    this.#connect();
    this.#beat();
    this.#work();
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.node.clock.monotonicMs(), wallMs: this.node.clock.wallMs() };
  }

  #connect(): void {
    this.#end?.end();
    const { simulation, metas } = this.#world;
    // One meta-server after the other: one that does not lead ends the stream.
    const meta = (this.#meta = metas[++this.#attempts % metas.length]!);
    const session = this.#world.nextSession();
    this.#session = session;
    this.#processes.set(session, this.#process);
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
    this.#held.begin();
    near.send('stream', () => {
      meta.acceptConsumer(session, far, this);
    });
    if (this.#isMember) {
      this.#join();
    }
    this.#heartbeat();
  }

  #join(): void {
    const held = this.#held.all;
    const { topic, group } = GROUP;
    const consumer = { member: this.#member, topic, group, consumer: this.#name, zone: '', maxPartitions: 0 };
    this.#send('join', (session, meta) => {
      meta.applyConsumers((leases, nowMs) => leases.join(session, { ...consumer, held }, nowMs));
    });
  }

  #later(session: number): void {
    this.node.timers.after(RECONNECT_MS, () => {
      if (session === this.#session) {
        this.#connect();
      }
    });
  }

  #beat(): void {
    this.node.timers.after(CONSUMER_TTL_MS / 3, () => {
      if (this.node.clock.monotonicMs() - this.#answeredAtMs > (2 * CONSUMER_TTL_MS) / 3) {
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
    this.#send('heartbeat', (session, meta) => {
      meta.applyConsumers((leases, nowMs) => leases.heartbeat(session, sequence, nowMs));
    });
  }

  #tick(): void {
    if (this.#term.hasEnded(this.#now())) {
      this.#held.clear();
      this.#connect();
    }
  }

  /** `released` may go out twice. */
  #release(held: HeldPartition): void {
    if (this.#held.release(held)) {
      const member = this.#member;
      const send = (): void => {
        this.#send('released', (session, meta) => {
          meta.applyConsumers((leases, nowMs) => leases.released(session, member, held, nowMs));
        });
      };
      send();
      this.node.timers.after(this.#world.random.between(1, 10_000), send);
    }
  }

  #send(label: string, arrive: (session: number, meta: SimulatedMeta) => void): void {
    const session = this.#session;
    const meta = this.#meta;
    this.#end?.send(label, () => {
      arrive(session, meta);
    });
  }

  #work(): void {
    this.node.timers.after(WORK_EVERY_MS, () => {
      this.#tick();
      for (const held of this.#held.all) {
        if (this.holds(held.partition)) {
          this.#consume(held);
        }
      }
      this.#work();
    });
  }

  /** Subscribes, then settles with each round, wherever the owner is. What hears no answer subscribes again. */
  #consume(held: LeaseAssignment): void {
    const broker = this.#world.brokerAt(held.endpoint);
    const { random, consumerStore, simulation } = this.#world;
    const subscribed = this.#subscribed.get(held.partition);
    const by = { process: this.#process, consumerEpoch: held.epoch };
    const key = keyOf(held);
    this.#subscribed.delete(held.partition);
    if (broker === undefined) {
      return;
    }
    if (subscribed?.broker !== broker || subscribed.epoch !== held.epoch) {
      this.#ask(broker, held, (ownerEpoch) => consumerStore.subscribe(key, ownerEpoch, by));
      return;
    }
    // A handler works for a while, and settles without a look at the lease: one that was paused meanwhile does so, too.
    this.node.timers.after(random.between(0, HANDLER_MS_MAX), () => {
      this.#ask(broker, held, (ownerEpoch) => consumerStore.settle(key, ownerEpoch, by, simulation.nowMs));
    });
  }

  /** Asks a broker for something that its store decides; no answer comes if it does not serve the partition. */
  #ask(broker: SimulatedBroker, held: HeldPartition, decide: (ownerEpoch: number) => boolean): void {
    const { network } = this.#world.simulation;
    network.send({ from: this.node, to: broker.node, label: 'consume' }, () => {
      broker.decide(keyOf(held), decide, (isDone) => {
        network.send({ from: broker.node, to: this.node, label: 'answer' }, () => {
          if (isDone) {
            this.#subscribed.set(held.partition, { broker, epoch: held.epoch });
          }
        });
      });
    });
  }
}
