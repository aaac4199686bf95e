import { type ChannelCredentials } from '@grpc/grpc-js';
import {
  type Assignment,
  durationToMs,
  type Grant,
  type HermesError,
  type HoldBrokerLeaseRequest_DataSourceReport,
  type Revoke,
} from '@hermes/contracts';
import {
  LEASE_TTL_DEFAULT_MS,
  type LeaseAssignment,
  type LeaseChange,
  type LeaseHolder,
  type Now,
} from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { Backoff, type CancelTimer, type Clock, type Random, type Timers } from '@hermes/runtime';
import { type SharedBrokerLease } from '@hermes/metadata';
import { DatabaseRenewal } from './database-renewal.js';
import { LeaseStream, type MetaSays } from './lease-stream.js';

/** Who this process is. */
export interface BrokerIdentity {
  readonly broker: string;
  readonly incarnation: number;
  readonly endpoint: string;
  readonly host: string;
  readonly zone: string;
  readonly brokerGroup: string;
  readonly weight: number;
  readonly capacity: number;
  readonly dataDirectory: string;
  /** It was told where the metadata database is, and that can be reached. */
  readonly reachesMetadata: boolean;
}

/** What the lease commands. Called synchronously, in order. */
export interface LeaseOrders {
  /** A meta-server has taken us in; it may be a new one, which does not know what is served. */
  registered(): void;
  changed(change: LeaseChange): void;
  revoked(assignment: LeaseAssignment, graceMs: number): void;
}

export interface LeaseSessionOptions {
  readonly metaServers: readonly string[];
  readonly credentials: ChannelCredentials;
  readonly identity: BrokerIdentity;
  readonly holder: LeaseHolder;
  readonly orders: LeaseOrders;
  /** Where the lease is renewed while no meta-server answers; unset: nowhere. */
  readonly database?: SharedBrokerLease | undefined;
  /** What the meta-server is told, with each heartbeat, of the data sources that are used here. */
  readonly dataSources: () => HoldBrokerLeaseRequest_DataSourceReport[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Between two tries to reach a meta-server: short, for a lease may be running out meanwhile. */
const RECONNECT = { initialMs: 50, maxMs: 1_000 };

/** Time for a new stream's first answer, before the length of the lease is known. */
const FIRST_ANSWER_MS = 3_000;

/** Grace of a revoke that names none. */
const REVOKE_GRACE_DEFAULT_MS = 5_000;

const HEARTBEATS_PER_TTL = 3;

/**
 * Keeps the broker's lease for as long as any meta-server can be reached: one stream, heartbeats each third of the
 * TTL, another stream when that one ends; meanwhile the metadata database renews it, where that can be reached. Expiry is the LeaseHolder's; this class only calls it in time.
 */
export class LeaseSession {
  readonly #options: LeaseSessionOptions;
  readonly #backoff: Backoff;
  readonly #database: DatabaseRenewal | undefined;
  #stream: LeaseStream | undefined;
  #streamNumber = 0;
  #nextServer = 0;
  #redirect: string | undefined;
  #ttlMs = LEASE_TTL_DEFAULT_MS;
  #answered = false;
  #beatAtMs = 0;
  #draining = false;
  #running = false;
  #cancelHeartbeat: CancelTimer = () => undefined;
  #cancelExpiry: CancelTimer = () => undefined;
  #cancelConnect: CancelTimer = () => undefined;

  constructor(options: LeaseSessionOptions) {
    this.#options = options;
    this.#backoff = new Backoff(RECONNECT, options.random);
    const { database, holder, timers, logger } = options;
    this.#database =
      database &&
      new DatabaseRenewal({
        ...{ lease: database, holder, timers, logger },
        ttlMs: () => this.#ttlMs,
        now: () => this.#now(),
        onRenewed: (change) => {
          this.#apply(change);
          this.#armExpiry();
        },
      });
  }

  /** True while the lease lives by the metadata database alone. */
  get renewedInDatabase(): boolean {
    return this.#database?.active === true;
  }

  /** True while a meta-server answers. */
  get connected(): boolean {
    return this.#stream !== undefined && this.#answered;
  }

  /** True once it asks for no new partitions. */
  get isDraining(): boolean {
    return this.#draining;
  }

  start(): void {
    this.#running = true;
    this.#connect();
  }

  /** Ends the stream after what was said on it; leases that were not released run out. */
  stop(): void {
    this.#running = false;
    this.#cancelAll();
    this.#stream?.finish();
    this.#stream = undefined;
  }

  /** Asks for no new partitions. Said again on each new stream. */
  drain(): void {
    this.#draining = true;
    this.#stream?.send({ $case: 'draining', value: {} });
  }

  /** These are served, with everything applied that their revisions tell. */
  ready(assignments: readonly LeaseAssignment[]): void {
    this.#stream?.send({ $case: 'ready', value: { assignments: assignments.map(toAssignment) } });
  }

  /** Nothing of this partition runs here any more. */
  released(assignment: LeaseAssignment): void {
    if (this.#options.holder.release(assignment)) {
      this.#stream?.send({ $case: 'released', value: toAssignment(assignment) });
    }
  }

  /** Storage has seen `observed`: a higher epoch is needed. What was granted is given up with it. */
  epochTooLow(assignment: LeaseAssignment, observed: number): void {
    this.#options.holder.release(assignment);
    this.#stream?.send({ $case: 'epochTooLow', value: { assignment: toAssignment(assignment), observed } });
  }

  #connect(): void {
    if (!this.#running) {
      return;
    }
    const { holder, identity, logger } = this.#options;
    const endpoint = this.#nextEndpoint();
    const { stream, held, change } = holder.register(this.#now());
    this.#apply(change);
    this.#streamNumber = stream;
    this.#answered = false;
    logger.info({ endpoint, held: held.length }, 'registering at a meta-server');
    this.#stream = new LeaseStream({
      endpoint,
      credentials: this.#options.credentials,
      keepaliveMs: this.#heartbeatMs,
      onMessage: (message) => {
        this.#received(message);
      },
      onEnd: (error) => {
        this.#ended(error);
      },
    });
    this.#stream.send({ $case: 'register', value: { ...identity, held: held.map(toAssignment) } });
    if (this.#draining) {
      this.#stream.send({ $case: 'draining', value: {} });
    }
    this.#beat();
  }

  /** A referred leader first, else one server after the other. */
  #nextEndpoint(): string {
    const { metaServers } = this.#options;
    const endpoint = this.#redirect ?? metaServers[this.#nextServer % metaServers.length] ?? '';
    if (this.#redirect === undefined) {
      this.#nextServer += 1;
    }
    this.#redirect = undefined;
    return endpoint;
  }

  #received(message: MetaSays): void {
    if (message.$case === 'grant') {
      this.#granted(message.value);
    } else {
      this.#revoked(message.value);
    }
  }

  #granted(grant: Grant): void {
    this.#backoff.reset();
    this.#ttlMs = durationOr(grant.ttl, this.#ttlMs);
    const { sequence, changed, assignments } = grant;
    const received = { ttlMs: this.#ttlMs, sequence, changed, assignments };
    this.#apply(this.#options.holder.granted(this.#streamNumber, received, this.#now()));
    this.#armExpiry();
    if (sequence > 0 && this.#stream !== undefined) {
      if (!this.#answered) {
        this.#answered = true;
        this.#database?.end();
        this.#options.orders.registered();
      }
      this.#cancelHeartbeat();
      // Counted from when the last one was sent, as the lease is: its answer may have taken long.
      const dueMs = this.#beatAtMs + this.#heartbeatMs;
      this.#cancelHeartbeat = this.#options.timers.after(Math.max(0, dueMs - this.#now().monotonicMs), () => {
        this.#beat();
      });
    }
  }

  #revoked(revoke: Revoke): void {
    const revoked = revoke.assignment && this.#options.holder.revoked(this.#streamNumber, revoke.assignment);
    if (revoked !== undefined) {
      this.#options.orders.revoked(revoked, durationOr(revoke.grace, REVOKE_GRACE_DEFAULT_MS));
    }
  }

  #ended(error: HermesError): void {
    this.#stream = undefined;
    this.#cancelHeartbeat();
    const redirect = error.code === 'NOT_LEADER' ? error.details['endpoint'] : undefined;
    this.#redirect = redirect === '' ? undefined : redirect;
    this.#options.logger.warn({ code: error.code, detail: error.message }, 'the lease stream ended');
    this.#database?.begin();
    this.#connectLater();
  }

  #connectLater(): void {
    this.#cancelConnect();
    if (this.#running) {
      this.#cancelConnect = this.#options.timers.after(this.#backoff.nextDelayMs(), () => {
        this.#connect();
      });
    }
  }

  get #heartbeatMs(): number {
    return Math.floor(this.#ttlMs / HEARTBEATS_PER_TTL);
  }

  /** Sends a heartbeat; if nothing comes back in a third of the TTL, another meta-server is tried. */
  #beat(): void {
    const { holder, timers, logger } = this.#options;
    const now = this.#now();
    const { sequence, change } = holder.heartbeat(now);
    this.#beatAtMs = now.monotonicMs;
    this.#apply(change);
    if (sequence === undefined) {
      return;
    }
    this.#stream?.send({ $case: 'heartbeat', value: { sequence, dataSources: this.#options.dataSources() } });
    this.#cancelHeartbeat();
    this.#cancelHeartbeat = timers.after(this.#answered ? this.#heartbeatMs : FIRST_ANSWER_MS, () => {
      logger.warn({ endpoint: this.#stream?.endpoint }, 'the meta-server does not answer heartbeats');
      this.#renew();
    });
  }

  /** Leaves the current stream for a new one. */
  #renew(): void {
    this.#cancelHeartbeat();
    this.#stream?.close();
    this.#stream = undefined;
    this.#database?.begin();
    this.#connectLater();
  }

  #armExpiry(): void {
    const { holder, clock, timers } = this.#options;
    this.#cancelExpiry();
    if (holder.expiresAtMs === Number.NEGATIVE_INFINITY) {
      return;
    }
    this.#cancelExpiry = timers.after(holder.expiresAtMs - clock.monotonicMs(), () => {
      this.#apply(holder.tick(this.#now()));
      this.#armExpiry();
    });
  }

  /** Passes on what the holder found. An ended lease needs a stream that registers without what was held. */
  #apply(change: LeaseChange): void {
    if (change.expired) {
      this.#options.logger.error({ partitions: change.closed.length }, 'the lease has ended');
    }
    if (change.expired || change.opened.length + change.closed.length + change.updated.length > 0) {
      this.#options.orders.changed(change);
    }
    if (change.expired && this.#stream !== undefined) {
      this.#renew();
    }
  }

  #now(): Now {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  #cancelAll(): void {
    this.#database?.end();
    this.#cancelHeartbeat();
    this.#cancelExpiry();
    this.#cancelConnect();
  }
}

function durationOr(duration: Grant['ttl'], elseMs: number): number {
  return (duration === undefined ? undefined : durationToMs(duration)) ?? elseMs;
}

function toAssignment({ topic, partition, epoch, revision, created, dataSource }: LeaseAssignment): Assignment {
  return { topic, partition, epoch, endpoint: '', revision, created, dataSource };
}
