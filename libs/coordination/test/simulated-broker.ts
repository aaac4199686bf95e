import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import { type BrokerLeaseEffect, type HeldPartition, type LeaseAssignment, LeaseHolder } from '../src/index.js';
import { type SimulatedMeta, TTL_MS } from './simulated-meta.js';
import { type ClusterWorld } from './cluster-world.js';
import { keyOf } from './fenced-store.js';

const WRITE_EVERY_MS = 1_500;
const RECONNECT_MS = 200;

/** What the meta-server says on a stream. */
export type Reply = Extract<BrokerLeaseEffect, { kind: 'grant' } | { kind: 'revoke' }>;

/** The broker's shell: one stream, heartbeats, opening, writing, giving back. */
export class SimulatedBroker {
  readonly node: SimulationNode;
  readonly #world: ClusterWorld;
  readonly #directory: string;
  readonly #served = new Map<string, HeldPartition>();
  readonly #incarnations = new Map<number, number>();
  incarnation = 0;
  #holder = new LeaseHolder();
  #end: StreamEnd | undefined;
  #session = 0;
  #stream = 0;
  #answeredAtMs = 0;
  #meta!: SimulatedMeta;
  #attempts = 0;
  #renewing = false;
  #renewals = 0;

  constructor(world: ClusterWorld, node: SimulationNode, number: number) {
    this.#world = world;
    this.node = node;
    this.#directory = `d${number}`;
    this.#start();
  }

  get endpoint(): string {
    return `${this.node.name}:1`;
  }

  restart(): void {
    this.node.restart();
    this.#start();
  }

  incarnationOf(session: number): number {
    return this.#incarnations.get(session) ?? 0;
  }

  /** Whether its stream is to that meta-server. */
  isAt(meta: SimulatedMeta): boolean {
    return this.#meta === meta;
  }

  /** Whether the process runs and believes its lease valid. */
  owns(topic: string, partition: number): boolean {
    return this.node.state === 'running' && this.#holder.valid(topic, partition, this.node.clock.monotonicMs());
  }

  /** The broker's side of its stream gives up. */
  dropStream(): void {
    this.#end?.drop();
  }

  /** Releases a partition and wants it back at a new epoch; `released` may go out twice. */
  reopen(): void {
    const held = this.#served.values().next().value;
    if (this.node.state === 'running' && held !== undefined) {
      this.#giveBack(held);
      this.node.timers.after(this.#world.random.between(1, 10_000), () => {
        this.#send('released again', (session, meta) => {
          meta.apply((leases, nowMs) => leases.released(session, held, nowMs));
        });
      });
    }
  }

  /** A consumer's request: the store decides it for the owner, and the answer goes back. */
  decide(key: string, ask: (ownerEpoch: number) => boolean, reply: (isDone: boolean) => void): void {
    const held = this.#served.get(key);
    if (held !== undefined && this.owns(held.topic, held.partition)) {
      this.#world.callStore(this.node, () => {
        const isDone = ask(held.epoch);
        return () => {
          reply(isDone);
        };
      });
    }
  }

  receive(session: number, effect: Reply): void {
    if (session !== this.#session) {
      return;
    }
    if (effect.kind === 'revoke') {
      this.#revoked(effect.assignment);
      return;
    }
    if (effect.sequence > 0) {
      this.#answeredAtMs = this.node.clock.monotonicMs();
      this.#renewals += 1;
      this.#renewing = false;
    }
    this.#changed(this.#holder.granted(this.#stream, effect, this.#now()));
  }

  #start(): void {
    this.incarnation = this.#world.nextIncarnation();
    this.#holder = this.#world.bugs.createHolder?.() ?? new LeaseHolder();
    this.#served.clear();
    this.#session = 0;
    this.#renewing = false;
    this.#renewals += 1;
    this.#connect();
    this.#beat();
    this.#writeOn();
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.node.clock.monotonicMs(), wallMs: this.node.clock.wallMs() };
  }

  #connect(): void {
    this.#end?.end();
    const { simulation } = this.#world;
    // One meta-server after the other: one that does not lead ends the stream.
    const meta = (this.#meta = this.#world.metas[++this.#attempts % this.#world.metas.length]!);
    const session = this.#world.nextSession();
    this.#session = session;
    this.#incarnations.set(session, this.incarnation);
    if (meta.node.state === 'crashed') {
      this.#end = undefined;
      this.#unanswered();
      this.#later(RECONNECT_MS, session);
      return;
    }
    const { near, far } = simulation.network.connect({ from: this.node, to: meta.node, label: `s${session}` });
    this.#end = near;
    this.#answeredAtMs = this.node.clock.monotonicMs();
    near.onEnd(() => {
      this.#unanswered();
      this.#later(RECONNECT_MS, session);
    });
    const { stream, held, change } = this.#holder.register(this.#now());
    this.#close(change.closed);
    this.#stream = stream;
    const registration = { broker: this.node.name, incarnation: this.incarnation, endpoint: this.endpoint };
    const place = { host: '', zone: '', brokerGroup: '', weight: 1, capacity: 0, dataDirectory: this.#directory };
    near.send('register', () => {
      meta.accept(session, far, this);
      meta.apply((leases, nowMs) => leases.register(session, { ...registration, ...place, held }, nowMs));
    });
    this.#heartbeat();
    this.#ready();
  }

  /** No meta-server answers: renews in the database, now and from then on. */
  #unanswered(): void {
    if (!this.#renewing) {
      this.#renewing = true;
      this.#renew(++this.#renewals);
    }
  }

  #renew(run: number): void {
    if (run !== this.#renewals) {
      return;
    }
    const { renewal, change } = this.#holder.renewal(this.#now());
    if (renewal === undefined) {
      this.#renewing = false;
    }
    this.#changed(change);
    if (renewal === undefined) {
      return;
    }
    const { database, bugs } = this.#world;
    const again = (delayMs: number): void => {
      this.node.timers.after(delayMs, () => {
        this.#renew(run);
      });
    };
    const process = { broker: this.node.name, incarnation: this.incarnation };
    const failed = (): void => {
      again(500);
    };
    const read = (): void => {
      const ask = (): (() => void) => {
        const owned = database.owned(process);
        return () => {
          const sentAtMs = bugs.renewsFromReceipt === true ? this.node.clock.monotonicMs() : renewal.sentAtMs;
          this.#changed(this.#holder.renewed({ ...renewal, sentAtMs }, { ttlMs: TTL_MS, owned }, this.#now()));
          again(TTL_MS / 3);
        };
      };
      database.call(this.node, ask, failed);
    };
    database.call(this.node, () => (database.renewLease(process, TTL_MS) ? read : failed), failed);
  }

  #later(delayMs: number, session: number): void {
    this.node.timers.after(delayMs, () => {
      if (session === this.#session) {
        this.#connect();
      }
    });
  }

  #beat(): void {
    this.node.timers.after(TTL_MS / 3, () => {
      if (this.node.clock.monotonicMs() - this.#answeredAtMs > (2 * TTL_MS) / 3) {
        this.#unanswered();
        this.#connect();
      } else {
        this.#heartbeat();
      }
      this.#beat();
    });
  }

  #heartbeat(): void {
    const { sequence, change } = this.#holder.heartbeat(this.#now());
    this.#changed(change);
    if (sequence !== undefined) {
      this.#send('heartbeat', (session, meta) => {
        meta.apply((leases, nowMs) => leases.heartbeat(session, sequence, nowMs));
      });
    }
  }

  #changed(change: ReturnType<LeaseHolder['tick']>): void {
    this.#close(change.closed);
    if (change.expired) {
      this.#connect();
      return;
    }
    change.opened.forEach((assignment) => {
      this.#open(assignment);
    });
    if (change.updated.length > 0) {
      this.#ready();
    }
  }

  #open(assignment: LeaseAssignment): void {
    const { incarnation } = this;
    const key = keyOf(assignment);
    this.#world.callStore(this.node, () => {
      const result = this.#world.store.open(key, assignment.epoch, incarnation);
      return () => {
        if (!this.#holder.assignments.some((held) => keyOf(held) === key && held.epoch === assignment.epoch)) {
          return;
        }
        if (result === 'opened') {
          this.#served.set(key, assignment);
          this.#ready();
        } else {
          this.#send('epoch too low', (session, meta) => {
            meta.apply((leases, nowMs) => leases.epochTooLow(session, assignment, result.observed, nowMs));
          });
        }
      };
    });
  }

  #close(closed: readonly HeldPartition[]): void {
    for (const assignment of closed) {
      if (this.#served.get(keyOf(assignment))?.epoch === assignment.epoch) {
        this.#served.delete(keyOf(assignment));
      }
    }
  }

  #ready(): void {
    const served = [...this.#served.values()].map((one) => ({ ...one, revision: 1 }));
    this.#send('ready', (session, meta) => {
      meta.apply((leases, nowMs) => leases.ready(session, served, nowMs));
    });
  }

  #revoked(assignment: LeaseAssignment): void {
    if (this.#holder.revoked(this.#stream, assignment) !== undefined) {
      this.node.timers.after(this.#world.random.between(0, 300), () => {
        this.#giveBack(assignment);
      });
    }
  }

  #giveBack(held: HeldPartition): void {
    if (this.#holder.release(held)) {
      this.#close([held]);
      this.#send('released', (session, meta) => {
        meta.apply((leases, nowMs) => leases.released(session, held, nowMs));
      });
    }
  }

  #send(label: string, arrive: (session: number, meta: SimulatedMeta) => void): void {
    const session = this.#session;
    const meta = this.#meta;
    this.#end?.send(label, () => {
      arrive(session, meta);
    });
  }

  #writeOn(): void {
    this.node.timers.after(WRITE_EVERY_MS, () => {
      this.#changed(this.#holder.tick(this.#now()));
      for (const held of this.#served.values()) {
        if (this.owns(held.topic, held.partition)) {
          this.#write(held);
        }
      }
      this.#writeOn();
    });
  }

  #write(held: HeldPartition): void {
    const { incarnation } = this;
    this.#world.callStore(this.node, () => {
      const written = this.#world.store.write(keyOf(held), held.epoch, incarnation, this.#world.simulation.nowMs);
      return () => {
        if (!written && this.#served.get(keyOf(held))?.epoch === held.epoch) {
          // Fenced: stand down, and be granted again.
          this.#giveBack(held);
        }
      };
    });
  }
}
