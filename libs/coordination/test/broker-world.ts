import { type Simulation, type SimulationNode, type StreamEnd } from '@hermes/testing';

import {
  BrokerLeases,
  type BrokerLeaseEffect,
  type BrokerLeasesOptions,
  type HeldPartition,
  type LeaseAssignment,
  type LeasedTopic,
  LeaseHolder,
  type PersistedAssignment,
  type PersistedBroker,
} from '../src/index.js';

/** What a planted bug replaces; tests alone use it. */
export interface BrokerBugs {
  readonly createLeases?: (options: BrokerLeasesOptions) => BrokerLeases;
  readonly createHolder?: () => LeaseHolder;
  /** What a restarted meta-server finds in its database. */
  readonly load?: (rows: PersistedAssignment[]) => PersistedAssignment[];
  readonly probeRefusesAlways?: boolean;
  readonly grantsBeforePersist?: boolean;
}

export const TTL_MS = 10_000;
const WRITE_EVERY_MS = 1_500;
const RECONNECT_MS = 200;

const keyOf = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}/${partition}`;

/** The store that all brokers share: one epoch per partition, as `partition_state` has it. */
class FencedStore {
  readonly epochs = new Map<string, number>();
  readonly openers = new Map<string, number>();
  readonly writtenAtMs = new Map<string, number>();

  /** Opens at an epoch above all earlier ones, or tells the highest. */
  open(key: string, epoch: number, incarnation: number): 'opened' | { observed: number } {
    const observed = this.epochs.get(key) ?? 0;
    if (epoch <= observed) {
      return { observed };
    }
    this.epochs.set(key, epoch);
    this.openers.set(`${key}@${epoch}`, incarnation);
    return 'opened';
  }

  write(key: string, epoch: number, incarnation: number, nowMs: number): boolean {
    if (this.epochs.get(key) !== epoch) {
      return false;
    }
    if (this.openers.get(`${key}@${epoch}`) !== incarnation) {
      throw new Error(`${key}: a write of ${incarnation} passes at epoch ${epoch}, which another process opened`);
    }
    this.writtenAtMs.set(key, nowMs);
    return true;
  }
}

/** A meta-server, brokers, a store, and everything that must hold between them. */
export class BrokerWorld {
  readonly simulation: Simulation;
  readonly bugs: BrokerBugs;
  readonly store = new FencedStore();
  readonly brokers: SimulatedBroker[] = [];
  readonly meta: SimulatedMeta;
  readonly random;
  readonly topics: LeasedTopic[];
  /** Off where clocks or backups are broken on purpose: there the store alone judges. */
  checksOwners = true;
  #sessions = 0;
  #incarnations = 0;

  constructor(simulation: Simulation, bugs: BrokerBugs = {}) {
    this.simulation = simulation;
    this.bugs = bugs;
    this.random = simulation.random('world');
    const brokerGroup = '';
    this.topics = [
      { name: 'm', partitions: 3, revision: 1, brokerGroup, embedded: false },
      { name: 'e', partitions: 2, revision: 1, brokerGroup, embedded: true },
    ];
    this.meta = new SimulatedMeta(this, simulation.node('meta', { clockRate: this.#rate() }));
  }

  addBroker(): void {
    const number = this.brokers.length;
    const node = this.simulation.node(`b${number}`, { clockRate: this.#rate() });
    this.brokers.push(new SimulatedBroker(this, node, number));
  }

  nextSession(): number {
    return ++this.#sessions;
  }

  nextIncarnation(): number {
    return ++this.#incarnations;
  }

  /** At most one running process believes its lease of a partition valid. */
  checkOwners(): void {
    if (!this.checksOwners) {
      return;
    }
    for (const topic of this.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const owners = this.brokers.filter((broker) => broker.owns(topic.name, partition));
        if (owners.length > 1) {
          const names = owners.map(({ node, incarnation }) => `${node.name}#${incarnation}`).join(', ');
          throw new Error(`${topic.name}/${partition} has two owners: ${names}`);
        }
      }
    }
  }

  /** Every partition was written to within `withinMs`. */
  checkServed(withinMs: number): void {
    for (const topic of this.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const writtenAtMs = this.store.writtenAtMs.get(keyOf({ topic: topic.name, partition })) ?? -1;
        if (writtenAtMs < this.simulation.nowMs - withinMs) {
          throw new Error(`${topic.name}/${partition} is not served; last write at ${writtenAtMs.toFixed(0)} ms`);
        }
      }
    }
  }

  /** Runs `ask` at the store and `answer` back at the broker's process. */
  callStore(from: SimulationNode, ask: () => () => void): void {
    const life = from.life;
    const { network } = this.simulation;
    this.simulation.after(network.delayMs(), 'store', () => {
      const answer = ask();
      this.simulation.after(network.delayMs(), 'store answers', () => {
        from.deliver(answer, life);
      });
    });
  }

  /** Both clocks of a pair differ by less than the margin covers. */
  #rate(): number {
    return this.random.between(0.98, 1.02);
  }
}

type Reply = Extract<BrokerLeaseEffect, { kind: 'grant' } | { kind: 'revoke' }>;

/** The meta-server's shell: a queue of effects in strict order, a database, one timer. */
export class SimulatedMeta {
  readonly node: SimulationNode;
  readonly #world: BrokerWorld;
  readonly #rows = new Map<string, PersistedAssignment>();
  readonly #brokerRows = new Map<string, PersistedBroker>();
  readonly #grantedTo = new Map<string, number>();
  readonly #highest = new Map<string, number>();
  #sessions = new Map<number, { end: StreamEnd; broker: SimulatedBroker }>();
  #queue: BrokerLeaseEffect[] = [];
  #busy = false;
  #leases: BrokerLeases;
  #cancel = (): void => undefined;

  constructor(world: BrokerWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#leases = this.#create();
    this.#arm();
  }

  get leases(): BrokerLeases {
    return this.#leases;
  }

  restart(): void {
    this.node.restart();
    this.#sessions = new Map();
    this.#queue = [];
    this.#busy = false;
    this.#leases = this.#create();
    this.#arm();
  }

  accept(session: number, end: StreamEnd, broker: SimulatedBroker): void {
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

  apply(event: (leases: BrokerLeases, nowMs: number) => BrokerLeaseEffect[]): void {
    this.#queue.push(...event(this.#leases, this.node.clock.monotonicMs()));
    this.#pump();
    this.#arm();
  }

  #create(): BrokerLeases {
    const rows = [...this.#rows.values()];
    const options = {
      topics: this.#world.topics,
      assignments: this.#world.bugs.load?.(rows) ?? rows,
      brokers: [...this.#brokerRows.values()],
      nowMs: this.node.clock.monotonicMs(),
      ttlMs: TTL_MS,
    };
    return this.#world.bugs.createLeases?.(options) ?? new BrokerLeases(options);
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

  #pump(): void {
    while (!this.#busy) {
      const effect = this.#queue.shift();
      if (effect === undefined) {
        return;
      }
      this.#run(effect);
    }
  }

  #run(effect: BrokerLeaseEffect): void {
    if (effect.kind === 'persist') {
      const save = (): void => {
        effect.assignments.forEach((row) => this.#rows.set(keyOf(row), row));
        effect.brokers.forEach((row) => this.#brokerRows.set(row.name, row));
      };
      this.#busy = this.#world.bugs.grantsBeforePersist !== true;
      this.node.timers.after(this.#world.random.between(0.1, 5), () => {
        save();
        this.#busy = false;
        this.#pump();
      });
    } else if (effect.kind === 'probe') {
      this.#probe(effect);
    } else if (effect.kind === 'close') {
      this.#sessions.get(Number(effect.session))?.end.end();
      this.#sessions.delete(Number(effect.session));
    } else if (effect.kind === 'grant' || effect.kind === 'revoke') {
      this.#send(effect);
    }
  }

  #send(effect: Reply): void {
    const session = this.#sessions.get(Number(effect.session));
    if (session === undefined) {
      return;
    }
    const { broker, end } = session;
    if (effect.kind === 'grant') {
      effect.assignments.forEach((assignment) => {
        this.#checkGrant(assignment, broker.incarnationOf(Number(effect.session)));
      });
    }
    end.send(effect.kind, () => {
      broker.receive(Number(effect.session), effect);
    });
  }

  /** Epochs grow, are never shared by two processes, and are durable before anyone hears of them. */
  #checkGrant(assignment: LeaseAssignment, incarnation: number): void {
    const key = keyOf(assignment);
    const row = this.#rows.get(key);
    if (row === undefined || row.epoch < assignment.epoch) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted before it is durable`);
    }
    if (!this.#world.checksOwners) {
      return;
    }
    const former = this.#grantedTo.get(`${key}@${assignment.epoch}`) ?? incarnation;
    if (former !== incarnation || assignment.epoch < (this.#highest.get(key) ?? 0)) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted to ${incarnation}, after ${former} had it`);
    }
    this.#grantedTo.set(`${key}@${assignment.epoch}`, incarnation);
    this.#highest.set(key, assignment.epoch);
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

/** The broker's shell: one stream, heartbeats, opening, writing, giving back. */
export class SimulatedBroker {
  readonly node: SimulationNode;
  readonly #world: BrokerWorld;
  readonly #directory: string;
  readonly #served = new Map<string, HeldPartition>();
  readonly #incarnations = new Map<number, number>();
  incarnation = 0;
  #holder = new LeaseHolder();
  #end: StreamEnd | undefined;
  #session = 0;
  #stream = 0;
  #answeredAtMs = 0;

  constructor(world: BrokerWorld, node: SimulationNode, number: number) {
    this.#world = world;
    this.node = node;
    this.#directory = `d${number}`;
    this.#start();
  }

  restart(): void {
    this.node.restart();
    this.#start();
  }

  incarnationOf(session: number): number {
    return this.#incarnations.get(session) ?? 0;
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
        this.#send('released again', (session) => {
          this.#world.meta.apply((leases, nowMs) => leases.released(session, held, nowMs));
        });
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
    this.#answeredAtMs = effect.sequence > 0 ? this.node.clock.monotonicMs() : this.#answeredAtMs;
    this.#changed(this.#holder.granted(this.#stream, effect, this.#now()));
  }

  #start(): void {
    this.incarnation = this.#world.nextIncarnation();
    this.#holder = this.#world.bugs.createHolder?.() ?? new LeaseHolder();
    this.#served.clear();
    this.#session = 0;
    this.#connect();
    this.#beat();
    this.#writeOn();
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.node.clock.monotonicMs(), wallMs: this.node.clock.wallMs() };
  }

  #connect(): void {
    this.#end?.end();
    const { simulation, meta } = this.#world;
    const session = this.#world.nextSession();
    this.#session = session;
    this.#incarnations.set(session, this.incarnation);
    if (meta.node.state === 'crashed') {
      this.#end = undefined;
      this.#later(RECONNECT_MS, session);
      return;
    }
    const { near, far } = simulation.network.connect({ from: this.node, to: meta.node, label: `s${session}` });
    this.#end = near;
    this.#answeredAtMs = this.node.clock.monotonicMs();
    near.onEnd(() => {
      this.#later(RECONNECT_MS, session);
    });
    const { stream, held, change } = this.#holder.register(this.#now());
    this.#close(change.closed);
    this.#stream = stream;
    const registration = { broker: this.node.name, incarnation: this.incarnation, endpoint: `${this.node.name}:1` };
    const place = { host: '', zone: '', brokerGroup: '', capacity: 0, dataDirectory: this.#directory };
    near.send('register', () => {
      meta.accept(session, far, this);
      meta.apply((leases, nowMs) => leases.register(session, { ...registration, ...place, held }, nowMs));
    });
    this.#heartbeat();
    this.#ready();
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
      this.#send('heartbeat', (session) => {
        this.#world.meta.apply((leases, nowMs) => leases.heartbeat(session, sequence, nowMs));
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
          this.#send('epoch too low', (session) => {
            this.#world.meta.apply((leases, nowMs) => leases.epochTooLow(session, assignment, result.observed, nowMs));
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
    this.#send('ready', (session) => {
      this.#world.meta.apply((leases, nowMs) => leases.ready(session, served, nowMs));
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
      this.#send('released', (session) => {
        this.#world.meta.apply((leases, nowMs) => leases.released(session, held, nowMs));
      });
    }
  }

  #send(label: string, arrive: (session: number) => void): void {
    const session = this.#session;
    this.#end?.send(label, () => {
      arrive(session);
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
