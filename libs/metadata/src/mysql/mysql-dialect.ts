import { type Clock, createDeferred, type Deferred, type Timers } from '@hermes/runtime';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type QueryResult,
} from 'kysely';
import { type Connection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';

import { Deadline } from './deadline.js';
import { mapMysqlFault } from './mysql-fault.js';

/** How a set of connections behaves. */
export interface MysqlConnectionsOptions {
  /** Opens one, ready for use. */
  readonly connect: () => Promise<Connection>;
  readonly connectionsMax: number;
  /** Longest time that one user may have a connection: a server whose disk is full answers nothing at all. */
  readonly useMs: number;
  readonly timers: Timers;
  readonly clock: Clock;
}

/** A server ends connections that were idle for its wait_timeout: one that old is not used again. */
const IDLE_MAX_MS = 2_500;

/** Kysely's MySQL dialect over a bounded set of connections whose statements are prepared and have a deadline. */
export class MysqlConnectionsDialect implements Dialect {
  readonly #options: MysqlConnectionsOptions;

  constructor(options: MysqlConnectionsOptions) {
    this.#options = options;
  }

  createDriver(): Driver {
    return new ConnectionsDriver(this.#options);
  }

  createQueryCompiler(): MysqlQueryCompiler {
    return new MysqlQueryCompiler();
  }

  createAdapter(): MysqlAdapter {
    return new MysqlAdapter();
  }

  createIntrospector(database: Kysely<unknown>): MysqlIntrospector {
    return new MysqlIntrospector(database);
  }
}

class ConnectionsDriver implements Driver {
  readonly #options: MysqlConnectionsOptions;
  readonly #idle: PreparedConnection[] = [];
  readonly #waiting: Deferred<undefined>[] = [];
  #used = 0;
  #destroyed = false;

  constructor(options: MysqlConnectionsOptions) {
    this.#options = options;
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  async acquireConnection(): Promise<PreparedConnection> {
    const { connectionsMax, connect, useMs, timers, clock } = this.#options;
    if (this.#used >= connectionsMax) {
      const turn = createDeferred<undefined>();
      this.#waiting.push(turn);
      await turn.promise;
    } else {
      this.#used += 1;
    }
    try {
      const connection = this.#takeIdle() ?? new PreparedConnection(await connect(), clock);
      connection.begin(timers, useMs);
      return connection;
    } catch (error) {
      this.#passOn();
      throw mapMysqlFault(error);
    }
  }

  beginTransaction(connection: DatabaseConnection): Promise<void> {
    return run(connection, 'start transaction');
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return run(connection, 'commit');
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return run(connection, 'rollback');
  }

  releaseConnection(connection: PreparedConnection): Promise<void> {
    if (connection.end()) {
      if (this.#destroyed) {
        connection.quit();
      } else {
        this.#idle.push(connection);
      }
    }
    this.#passOn();
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    this.#destroyed = true;
    for (const connection of this.#idle.splice(0)) {
      connection.quit();
    }
    return Promise.resolve();
  }

  #takeIdle(): PreparedConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined || connection.isFresh) {
        return connection;
      }
      connection.close();
    }
  }

  /** Gives the place to who waits longest. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#used -= 1;
    } else {
      next.resolve(undefined);
    }
  }
}

/** One connection. After a fault that may have left something behind on the server it is not used again. */
class PreparedConnection implements DatabaseConnection {
  readonly #connection: Connection;
  readonly #clock: Clock;
  #usable = true;
  #usedAtMs = 0;
  #deadline: Deadline | undefined;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    connection.on('error', () => {
      this.#usable = false;
    });
    connection.on('end', () => {
      this.#usable = false;
    });
  }

  get isFresh(): boolean {
    return this.#usable && this.#clock.monotonicMs() - this.#usedAtMs < IDLE_MAX_MS;
  }

  begin(timers: Timers, useMs: number): void {
    this.#deadline = new Deadline(timers, useMs, () => {
      this.close();
    });
  }

  /** True if it may be used again. */
  end(): boolean {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.#usedAtMs = this.#clock.monotonicMs();
    return this.#usable;
  }

  close(): void {
    this.#usable = false;
    this.#connection.destroy();
  }

  /** Says good-bye, so that the server need not report a lost client. */
  quit(): void {
    this.#usable = false;
    this.#connection.end().catch(() => {
      this.#connection.destroy();
    });
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    try {
      const running =
        // Transactions cannot be prepared; text without parameters is our own and has nothing to escape.
        parameters.length === 0
          ? this.#connection.query<RowDataPacket[] | ResultSetHeader>(sql)
          : this.#connection.execute<RowDataPacket[] | ResultSetHeader>(sql, parameters.map(bound));
      const [result] = await (this.#deadline?.race(running) ?? running);
      return Array.isArray(result)
        ? { rows: result as R[] }
        : { rows: [], numAffectedRows: BigInt(result.affectedRows) };
    } catch (error) {
      if (error instanceof Error && 'fatal' in error && error.fatal === true) {
        this.close();
      }
      throw mapMysqlFault(error);
    }
  }

  streamQuery(): never {
    throw new Error('metadata is read in pages, not in streams');
  }
}

async function run(connection: DatabaseConnection, statement: string): Promise<void> {
  await connection.executeQuery(CompiledQuery.raw(statement));
}

/** Numbers go as text: the driver would send them as doubles, for which a server prepares the statement anew. */
function bound(parameter: unknown): string | null {
  if (typeof parameter === 'string' || parameter === null) {
    return parameter;
  }
  if (typeof parameter === 'number' || typeof parameter === 'bigint') {
    return String(parameter);
  }
  throw new TypeError('a parameter is text, a number or null');
}
