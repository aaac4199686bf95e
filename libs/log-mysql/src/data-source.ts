import { StoreError } from '@hermes/log';
import { type CancelTimer, type Clock, type TaskGroup, type Timers } from '@hermes/runtime';
import type { ConnectionOptions } from 'mysql2';

import { type Connect, ConnectionSet } from './connection-set.js';
import { migrate, readStoreId } from './migrate.js';
import { ERRNO, errnoOf, isSilence, readFault } from './mysql-fault.js';
import type { NoticeListener } from './notice.js';
import type { ServerFacts } from './server-facts.js';
import { type MysqlAccess } from './server-options.js';
import { type IsolationLevel, Session } from './session.js';
import { StoreTime } from './store-time.js';

/** Bounds of one data source in one process. */
export interface DataSourceBounds {
  /** Connections for appends: more let more lanes share a flush of the server's log, up to about 16. */
  readonly appendConnections: number;
  readonly settleConnections: number;
  readonly readConnections: number;
  /** For definitions, ending other connections, the clock. */
  readonly controlConnections: number;
  /** Prepared statements kept per connection: at least one per lane that is busy on it. */
  readonly statementsPerConnection: number;
  /** Processes that share the server: together they take half of its prepared statements at most. */
  readonly brokers: number;
  /** For each call of the server; above the 2 s for which a statement waits for a lock. */
  readonly callDeadlineMs: number;
}

export const DATA_SOURCE_BOUNDS_DEFAULT: DataSourceBounds = {
  appendConnections: 16,
  settleConnections: 4,
  readConnections: 4,
  controlConnections: 2,
  statementsPerConnection: 256,
  brokers: 8,
  callDeadlineMs: 5_000,
};

/** With fewer the statements of one settle push each other out. */
const STATEMENTS_MIN = 24;

/** Connections of each kind that are made with the first one: whoever opens a data source opens partitions there, whose callers wait. */
const WARM = 2;

/** How often the server is asked for a sign of life, and each so many times for its clock, or who it is. */
const ASK_MS = 2_000;
const ASKED_PER_CLOCK_READING = 5;
const ASKED_PER_LOOK = 30;

export interface DataSourceOptions {
  readonly server: MysqlAccess;
  readonly isolation: IsolationLevel;
  readonly bounds: DataSourceBounds;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: TaskGroup;
  readonly onNotice: NoticeListener;
  /** Another server answers; connections to the former one were ended. Must not throw. */
  readonly onServerChanged: () => void;
}

/** One server as this process uses it: its connections, its clock, and what it was found to be. */
export class DataSource {
  readonly appends: ConnectionSet;
  readonly settles: ConnectionSet;
  readonly reads: ConnectionSet;
  readonly control: ConnectionSet;
  readonly time: StoreTime;
  readonly #options: DataSourceOptions;
  readonly #sessions = new Set<Session>();
  #facts: ServerFacts | undefined;
  #identity: string | undefined;
  #asked = 0;
  #cancelTick: CancelTimer = () => undefined;
  #closed = false;
  #problem: string | undefined;
  #unreachable = false;

  private constructor(options: DataSourceOptions) {
    const { bounds, clock } = options;
    const forReads: Connect = () => this.#connect();
    const forWrites: Connect = () => this.#connectToWrite();
    this.#options = options;
    this.time = new StoreTime(clock);
    this.appends = new ConnectionSet(bounds.appendConnections, forWrites, clock);
    this.settles = new ConnectionSet(bounds.settleConnections, forWrites, clock);
    this.reads = new ConnectionSet(bounds.readConnections, forReads, clock);
    this.control = new ConnectionSet(bounds.controlConnections, forReads, clock);
  }

  /** Connects, brings the shared tables to this version. Fails with `unavailable` or `schemaNewer`. */
  static async open(options: DataSourceOptions): Promise<DataSource> {
    const source = new DataSource(options);
    try {
      // A writer may come later: reads alone need none, if the tables are there.
      await source.control.run(() => Promise.resolve());
      source.#statementsMax();
      for (const set of source.#sets) {
        set.warm(WARM);
      }
      source.#tick();
      return source;
    } catch (error) {
      source.destroy();
      throw readFault(error, `open ${options.server.name}`);
    }
  }

  /** What the server was last found to be. */
  get facts(): ServerFacts {
    if (this.#facts === undefined) {
      throw new StoreError('unavailable', 'the server was not looked at yet');
    }
    return this.#facts;
  }

  /** Why the server did not answer when it was last looked at; undefined if it did. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the problem is that it does not answer at all. */
  get unreachable(): boolean {
    return this.#unreachable;
  }

  /** Ends another connection of the server: its transaction is rolled back. */
  async kill(connectionId: number): Promise<void> {
    await this.control.run(async (session) => {
      try {
        await session.query(`KILL ${connectionId}`);
      } catch (error) {
        if (errnoOf(error) !== ERRNO.unknownThread) {
          throw error;
        }
      }
    });
  }

  /** Looks who answers at the address, by a new connection. */
  look(): Promise<void> {
    return this.#observed(async () => {
      (await this.#connect()).destroy();
    });
  }

  /** Ends all connections once what waits for them is done. */
  async close(): Promise<void> {
    this.#stop();
    await Promise.all(this.#sets.map((set) => set.close()));
  }

  /** Ends all connections at once. */
  destroy(): void {
    this.#stop();
    for (const set of this.#sets) {
      set.destroy();
    }
  }

  get #sets(): ConnectionSet[] {
    return [this.appends, this.settles, this.reads, this.control];
  }

  async #connectToWrite(): Promise<Session> {
    const session = await this.#connect();
    if (session.facts.readOnly) {
      session.destroy();
      throw new StoreError('unavailable', `${this.#options.server.name} is read-only`);
    }
    return session;
  }

  async #connect(): Promise<Session> {
    const { server, timers, isolation, bounds } = this.#options;
    const session = await Session.open({
      driver: await this.#driver(),
      timers,
      isolation,
      deadlineMs: bounds.callDeadlineMs,
      statementsMax: this.#facts === undefined ? STATEMENTS_MIN : this.#statementsMax(),
    });
    try {
      await this.#admit(session);
      return session;
    } catch (error) {
      session.destroy();
      throw readFault(error, `connect to ${server.name}`);
    }
  }

  async #driver(): Promise<ConnectionOptions> {
    try {
      return await this.#options.server.connectionOptions();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw error instanceof StoreError ? error : new StoreError('unavailable', message, { cause: error });
    }
  }

  async #admit(session: Session): Promise<void> {
    const { facts } = session;
    if (facts.problem !== undefined) {
      throw new StoreError('unavailable', `${this.#options.server.name} cannot be used: ${facts.problem}`);
    }
    let storeId = await readStoreId(session);
    if (storeId === undefined || (this.#identity !== identityOf(facts, storeId) && !facts.readOnly)) {
      storeId = await migrate(session);
    }
    await this.#readClock(session);
    this.#adopt(session, identityOf(facts, storeId));
  }

  #adopt(session: Session, identity: string): void {
    const { onNotice, onServerChanged } = this.#options;
    const { facts } = session;
    const hasChanged = this.#identity !== undefined && this.#identity !== identity;
    const isDurabilityNew = this.#facts !== undefined && this.#facts.durability !== facts.durability;
    this.#identity = identity;
    this.#facts = facts;
    for (const other of this.#sessions) {
      if (hasChanged) {
        other.destroy();
      }
      if (!other.isUsable) {
        this.#sessions.delete(other);
      }
    }
    this.#sessions.add(session);
    if (hasChanged) {
      onServerChanged();
      onNotice({ kind: 'serverChanged', facts });
    } else if (isDurabilityNew) {
      onNotice({ kind: 'durabilityChanged', facts });
    }
  }

  /** This connection's share of the server's prepared statements. */
  #statementsMax(): number {
    const { bounds } = this.#options;
    const connections =
      bounds.appendConnections + bounds.settleConnections + bounds.readConnections + bounds.controlConnections;
    const share = Math.floor(this.facts.statementsMax / 2 / bounds.brokers / connections);
    if (share < STATEMENTS_MIN) {
      const needed = 2 * bounds.brokers * connections * STATEMENTS_MIN;
      throw new StoreError('unavailable', `max_prepared_stmt_count is ${this.facts.statementsMax}, below ${needed}`);
    }
    return Math.min(share, bounds.statementsPerConnection);
  }

  async #readClock(session: Session): Promise<void> {
    const askedAtMs = this.#options.clock.monotonicMs();
    const { rows } = await session.query('SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)');
    this.time.observe(Number(rows[0]?.[0]), askedAtMs);
  }

  #tick(): void {
    this.#cancelTick = this.#options.timers.after(ASK_MS, () => {
      this.#options.tasks.run('ask the data source', async () => {
        const known = this.#problem;
        try {
          await this.#ask();
        } catch (error) {
          // What is known already is not told each time.
          if (this.#problem !== known) {
            throw error;
          }
        } finally {
          if (!this.#closed) {
            this.#tick();
          }
        }
      });
    });
  }

  #ask(): Promise<void> {
    this.#asked += 1;
    for (const set of this.#sets) {
      set.keepWarm();
    }
    if (this.#asked % ASKED_PER_LOOK === 0) {
      return this.look();
    }
    const isClock = this.#asked % ASKED_PER_CLOCK_READING === 0;
    return this.#observed(() =>
      this.control.run(async (session) => {
        await (isClock ? this.#readClock(session) : session.query('DO 0'));
      }),
    );
  }

  async #observed(look: () => Promise<void>): Promise<void> {
    try {
      await look();
      this.#problem = undefined;
      this.#unreachable = false;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#unreachable = isSilence(error);
      throw error;
    }
  }

  #stop(): void {
    this.#closed = true;
    this.#cancelTick();
  }
}

function identityOf(facts: ServerFacts, storeId: string): string {
  return `${facts.identity}|${storeId}`;
}
