import { type ClientDuplexStream } from '@grpc/grpc-js';
import {
  type Assignment,
  CoordinationServiceService,
  durationToMs,
  fromServiceError,
  type Grant,
  HermesError,
  type HoldConsumerLeaseRequest,
  type HoldConsumerLeaseResponse,
  LIMITS,
  type Revoke,
} from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { type Environment } from './environment.js';
import { failureOf, retryDelayMs } from './failure.js';
import { type MetaServers } from './meta-servers.js';

const RECONNECT_BACKOFF = { initialMs: 50, maxMs: 2_000 };
/** A lease is prolonged three times in its length. */
const HEARTBEATS_PER_TTL = 3;

/** A consumer that takes part in its group. */
export interface ConsumerName {
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
}

/** What a member is told. */
export interface MemberListener {
  /** All that the member holds now. */
  granted(assignments: readonly Assignment[]): void;
  /** One partition is to be given back: call `released` within `graceMs`. */
  revoked(assignment: Assignment, graceMs: number): void;
  /** Some member, perhaps this one, cannot take part: it should find out whether it is the one. */
  doubted(): void;
  /** The member cannot take part, for good. */
  refused(error: HermesError): void;
}

/** A consumer's place in the session. */
export interface Member {
  /** Gives a revoked partition back. */
  released(assignment: Assignment): void;
  /** A broker has refused what is held, for it knows a later holder. If nobody else has it, a grant with more follows. */
  epochTooLow(assignment: Assignment, observed: number): void;
  /** Gives everything back. */
  leave(): void;
}

interface MemberState {
  readonly name: ConsumerName;
  readonly listener: MemberListener;
  held: readonly Assignment[];
}

type Kind = NonNullable<HoldConsumerLeaseRequest['kind']>;

/**
 * The consumer leases of all members of this process, on one HoldConsumerLease stream.
 *
 * The stream is opened with the first member and ends with the last. If it breaks, members keep what they hold (the
 * brokers judge by epoch) and join again, naming it, wherever a meta-server leads. A meta-server that leaves
 * heartbeats unanswered for a whole TTL, counted from before the oldest was sent, counts as lost.
 */
export class ConsumerLeases {
  readonly #servers: MetaServers;
  readonly #environment: Environment;
  readonly #backoff: Backoff;
  readonly #members = new Map<number, MemberState>();
  #nextMember = 1;
  #stream: ClientDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse> | undefined;
  #sequence = 0;
  #ttlMs: number = LIMITS.leaseTtlMs;
  /** When heartbeats were sent that are not answered yet. */
  readonly #sentAtMs = new Map<number, number>();
  #cancelTimer: CancelTimer | undefined;
  #beatScheduled = false;
  #closed = false;

  constructor(servers: MetaServers, environment: Environment) {
    this.#servers = servers;
    this.#environment = environment;
    this.#backoff = new Backoff(RECONNECT_BACKOFF, environment.random);
  }

  /** Number of members. */
  get size(): number {
    return this.#members.size;
  }

  /** Takes part in a group; `granted` follows once a meta-server has dealt. */
  join(name: ConsumerName, listener: MemberListener): Member {
    const member = this.#nextMember;
    this.#nextMember += 1;
    const state: MemberState = { name, listener, held: [] };
    this.#members.set(member, state);
    if (this.#stream !== undefined) {
      this.#sendJoin(member, state);
      this.#beatSoon();
    } else {
      this.#openUnlessWaiting();
    }
    return {
      released: (assignment) => {
        state.held = state.held.filter((held) => !isSame(held, assignment));
        this.#send({ $case: 'released', value: { member, assignment } });
      },
      epochTooLow: (assignment, observed) => {
        this.#send({ $case: 'epochTooLow', value: { member, assignment, observed } });
      },
      leave: () => {
        this.#leave(member);
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#members.clear();
    this.#cancelTimer?.();
    this.#stream?.end();
  }

  #leave(member: number): void {
    if (!this.#members.delete(member)) {
      return;
    }
    this.#send({ $case: 'leave', value: { member } });
    if (this.#members.size === 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
      this.#stream?.end();
      this.#stream = undefined;
    }
  }

  #openUnlessWaiting(): void {
    if (this.#cancelTimer === undefined) {
      this.#open();
    }
  }

  #open(): void {
    const stream = this.#servers.bidi(CoordinationServiceService.holdConsumerLease);
    let error: HermesError | undefined;
    this.#stream = stream;
    this.#sequence = 0;
    this.#sentAtMs.clear();
    stream.on('data', ({ kind }: HoldConsumerLeaseResponse) => {
      if (this.#stream !== stream) {
        return;
      }
      if (kind?.$case === 'grant') {
        this.#onGrant(kind.value);
      } else if (kind?.$case === 'revoke') {
        this.#onRevoke(kind.value);
      }
    });
    stream.on('error', (cause) => {
      error = fromServiceError(cause);
    });
    stream.on('status', () => {
      if (this.#stream === stream) {
        this.#stream = undefined;
        this.#onEnd(error);
      }
    });
    for (const [member, state] of this.#members) {
      this.#sendJoin(member, state);
    }
    this.#beat();
  }

  #onEnd(error: HermesError | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    let wasRefused = false;
    if (error !== undefined) {
      this.#servers.refused(error);
      wasRefused = failureOf(error) === 'final' && this.#refuse(error);
    }
    if (!this.#closed && this.#members.size > 0) {
      // The others have waited for nothing: they go on at once.
      const delayMs = wasRefused ? 0 : retryDelayMs(this.#backoff, error);
      this.#cancelTimer = this.#environment.timers.after(delayMs, () => {
        this.#cancelTimer = undefined;
        this.#open();
      });
    }
  }

  /**
   * Ends the membership that a final error is about: of the member whom it names, else of the only one. Without a name
   * several have to find out, each for itself, and FENCED is about the stream: all join again. False: nobody's ended.
   */
  #refuse(error: HermesError): boolean {
    const named = error.details['member'];
    const [only, ...others] = this.#members.keys();
    if (named === undefined && (error.code === 'FENCED' || others.length > 0)) {
      this.#members.forEach(({ listener }) => {
        listener.doubted();
      });
      return false;
    }
    const member = named === undefined ? only : Number(named);
    const state = member === undefined ? undefined : this.#members.get(member);
    if (member === undefined || state === undefined) {
      return false;
    }
    this.#members.delete(member);
    state.listener.refused(error.code === 'GROUP_NOT_FOUND' ? groupNotFound(state.name, error) : error);
    return true;
  }

  #onGrant(grant: Grant): void {
    this.#backoff.reset();
    const ttlMs = (grant.ttl === undefined ? undefined : durationToMs(grant.ttl)) ?? this.#ttlMs;
    if (ttlMs !== this.#ttlMs) {
      // The next heartbeat was to come by another TTL: too late by a shorter one.
      this.#ttlMs = ttlMs;
      this.#beatLater();
    }
    for (const sequence of this.#sentAtMs.keys()) {
      if (sequence <= grant.sequence) {
        this.#sentAtMs.delete(sequence);
      }
    }
    const state = this.#members.get(grant.member);
    if (state !== undefined && grant.changed) {
      state.held = grant.assignments;
      state.listener.granted(grant.assignments);
    }
  }

  #onRevoke({ member, assignment, grace }: Revoke): void {
    const state = this.#members.get(member);
    if (state !== undefined && assignment !== undefined) {
      state.listener.revoked(assignment, (grace && durationToMs(grace)) ?? 0);
    }
  }

  #sendJoin(member: number, { name, held }: MemberState): void {
    this.#send({ $case: 'join', value: { member, ...name, zone: '', maxPartitions: 0, held: [...held] } });
  }

  #send(kind: Kind): void {
    this.#stream?.write({ kind });
  }

  /** Many that join in one turn share a heartbeat. */
  #beatSoon(): void {
    if (!this.#beatScheduled) {
      this.#beatScheduled = true;
      setImmediate(() => {
        this.#beatScheduled = false;
        this.#beat();
      });
    }
  }

  #beat(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#closed) {
      return;
    }
    const nowMs = this.#environment.clock.monotonicMs();
    const [oldestAtMs] = this.#sentAtMs.values();
    if (oldestAtMs !== undefined && nowMs - oldestAtMs > this.#ttlMs) {
      stream.cancel();
      return;
    }
    this.#sequence += 1;
    this.#sentAtMs.set(this.#sequence, nowMs);
    this.#send({ $case: 'heartbeat', value: { sequence: this.#sequence } });
    this.#beatLater();
  }

  #beatLater(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#environment.timers.after(this.#ttlMs / HEARTBEATS_PER_TTL, () => {
      this.#cancelTimer = undefined;
      this.#beat();
    });
  }
}

/** The meta-server knows a member by its number; who asked knows the group by its name. */
function groupNotFound({ topic, group }: ConsumerName, cause: HermesError): HermesError {
  return new HermesError('GROUP_NOT_FOUND', `topic ${topic} has no group ${group}`, {
    details: { topic, group },
    cause,
  });
}

function isSame(a: Assignment, b: Assignment): boolean {
  return a.topic === b.topic && a.partition === b.partition && a.epoch === b.epoch;
}
