import { StoreError } from '@hermes/log';
import type { Clock } from '@hermes/runtime';

import { isReadOnlyFault } from './mysql-fault.js';
import type { Session } from './session.js';

/** An idle connection is replaced before the server ends it (wait_timeout is 30 s): else the outcome is unknown. */
const IDLE_MAX_MS = 20_000;

/** A connection is made beside one that is there only if more jobs than this wait for that: it takes as long as they do. */
const CONNECT_COST = 2;

/** Jobs that wait for one connection; a lane has at most one, so only reads can get there. */
const WAITING_MAX = 1_000;

export type Connect = () => Promise<Session>;

/** A place for one connection, made when it is needed and again after it broke. Its jobs run one after another. */
export class ConnectionSlot {
  readonly #connect: Connect;
  readonly #clock: Clock;
  #session: Session | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #lastUsedMs = 0;
  #closed = false;

  constructor(connect: Connect, clock: Clock) {
    this.#connect = connect;
    this.#clock = clock;
  }

  /** What a further job has to wait for, in jobs. */
  get load(): number {
    return this.#waiting + (this.#isFresh ? 0 : CONNECT_COST);
  }

  /**
   * Runs `job` once those before it have ended. Rejects with a StoreError, `closed` or `unavailable`, if it was not
   * begun for want of a connection; else with what the job threw.
   */
  run<T>(job: (session: Session) => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) {
      return Promise.reject(new StoreError('unavailable', `${WAITING_MAX} calls wait for a connection`));
    }
    this.#waiting += 1;
    const turn = this.#tail.then(() => this.#runNow(job));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** Connects if need be, so that the next job need not wait for that; what fails is that job's to meet. */
  warm(): void {
    if (!this.#isFresh) {
      this.run(() => Promise.resolve()).catch(() => undefined);
    }
  }

  /** Uses a connection that was idle for half the time after which it would be replaced. */
  keepWarm(): void {
    const idleMs = this.#clock.monotonicMs() - this.#lastUsedMs;
    if (this.#isFresh && this.#waiting === 0 && idleMs > IDLE_MAX_MS / 2) {
      this.run((session) => session.query('DO 0')).catch(() => undefined);
    }
  }

  /** Ends the connection once the jobs that wait have run; later ones are refused. */
  async close(): Promise<void> {
    await this.#tail;
    this.#closed = true;
    this.#session?.destroy();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#closed = true;
    this.#session?.destroy();
  }

  async #runNow<T>(job: (session: Session) => Promise<T>): Promise<T> {
    try {
      const session = await this.#ready();
      return await job(session);
    } catch (error) {
      if (isReadOnlyFault(error)) {
        // The writer is elsewhere now; a new connection finds it.
        this.#session?.destroy();
      }
      throw error;
    } finally {
      this.#waiting -= 1;
      this.#lastUsedMs = this.#clock.monotonicMs();
    }
  }

  get #isFresh(): boolean {
    return this.#session?.isUsable === true && this.#clock.monotonicMs() - this.#lastUsedMs <= IDLE_MAX_MS;
  }

  async #ready(): Promise<Session> {
    if (this.#closed) {
      throw new StoreError('closed', 'the data source is closed');
    }
    if (this.#session !== undefined && this.#isFresh) {
      return this.#session;
    }
    this.#session?.destroy();
    this.#session = await this.#connect();
    this.#lastUsedMs = this.#clock.monotonicMs();
    return this.#session;
  }
}

/** A bounded number of connections for one purpose. */
export class ConnectionSet {
  readonly #slots: readonly ConnectionSlot[];
  #next = 0;

  constructor(size: number, connect: Connect, clock: Clock) {
    this.#slots = Array.from({ length: size }, () => new ConnectionSlot(connect, clock));
  }

  /** A slot for something that stays on one connection; they are given out in turn. The one that is next connects meanwhile. */
  assign(): ConnectionSlot {
    this.#next += 1;
    this.warm(1);
    return this.#slots[this.#next % this.#slots.length] as ConnectionSlot;
  }

  /** Connects the slots that are given out next, so that their first jobs need not wait for that. */
  warm(count: number): void {
    for (let ahead = 1; ahead <= count; ahead += 1) {
      this.#slots[(this.#next + ahead) % this.#slots.length]?.warm();
    }
  }

  /** What was connected once is not connected to anew after each lull. */
  keepWarm(): void {
    for (const slot of this.#slots) {
      slot.keepWarm();
    }
  }

  /** Runs a job on the connection with the fewest. */
  run<T>(job: (session: Session) => Promise<T>): Promise<T> {
    const free = this.#slots.reduce((best, slot) => (slot.load < best.load ? slot : best));
    return free.run(job);
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  destroy(): void {
    for (const slot of this.#slots) {
      slot.destroy();
    }
  }
}
