import { StoreError } from '@hermes/log';
import type { Timers } from '@hermes/runtime';
import { type Connection, type ConnectionOptions, createConnection, type QueryError } from 'mysql2';

import { MysqlError } from './mysql-fault.js';
import { FACT_VARIABLES, readFacts, SEMI_SYNC_STATUS, type ServerFacts } from './server-facts.js';

/** A value for a placeholder. Integers travel as text: as numbers they would go as doubles. */
export type SqlValue = string | number | Uint8Array | null;

export interface SqlResult {
  /** One array per row, columns in the statement's order. */
  readonly rows: readonly (readonly unknown[])[];
  /** Rows changed, or matched by an UPDATE. */
  readonly affected: number;
}

export type IsolationLevel = 'READ COMMITTED' | 'REPEATABLE READ';

export interface SessionOptions {
  readonly driver: ConnectionOptions;
  readonly timers: Timers;
  readonly isolation: IsolationLevel;
  /** For connecting, and for each statement. */
  readonly deadlineMs: number;
  /** Prepared statements that are kept; the least recently used one is closed first. */
  readonly statementsMax: number;
}

/** Each session's settings; they are read back before it is used. */
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ['autocommit', 'ON'],
  ['sql_mode', 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'],
  ['innodb_lock_wait_timeout', '2'],
  ['lock_wait_timeout', '2'],
  ['wait_timeout', '30'],
  ['time_zone', '+00:00'],
]);

/** MySQL's name and MariaDB's. */
const ISOLATION_VARIABLES = ['transaction_isolation', 'tx_isolation'] as const;

/** One connection with our settings. A statement that fails in an unknown way ends it. */
export class Session {
  readonly #connection: Connection;
  readonly #timers: Timers;
  readonly #deadlineMs: number;
  #facts: ServerFacts | undefined;
  #usable = true;

  private constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#timers = options.timers;
    this.#deadlineMs = options.deadlineMs;
    const end = (): void => {
      this.#usable = false;
    };
    connection.on('error', end);
    connection.on('end', end);
  }

  /** Connects and makes the settings. Fails with `unavailable`; nothing was sent that could change data. */
  static async open(options: SessionOptions): Promise<Session> {
    const connection = createConnection({
      ...options.driver,
      charset: 'utf8mb4',
      rowsAsArray: true,
      supportBigNumbers: false,
      maxPreparedStatements: options.statementsMax,
      connectTimeout: options.deadlineMs,
      flags: ['-LOCAL_FILES'],
    });
    const session = new Session(connection, options);
    try {
      await session.#guarded((done) => {
        connection.connect((error) => {
          done(error, undefined);
        });
      });
      await session.#prepare(options.isolation);
      return session;
    } catch (error) {
      session.destroy();
      const message = error instanceof Error ? error.message : String(error);
      throw new StoreError('unavailable', `no connection to ${hostOf(options.driver)}: ${message}`, { cause: error });
    }
  }

  /** The server's number for this connection, by which it can be killed. */
  get id(): number {
    return this.#connection.threadId;
  }

  /** As read when it was opened, or by `readFacts` since. */
  get facts(): ServerFacts {
    if (this.#facts === undefined) {
      throw new StoreError('unavailable', 'the session was not prepared');
    }
    return this.#facts;
  }

  /** False once the connection has ended or a statement's outcome was not learned. */
  get isUsable(): boolean {
    return this.#usable;
  }

  /** Runs a prepared statement. Rejects with MysqlError. */
  execute(sql: string, values: readonly SqlValue[] = []): Promise<SqlResult> {
    return this.#guarded((done) => this.#connection.execute(sql, values.map(toBound), done));
  }

  /** Runs a statement as text: those that cannot be prepared. Rejects with MysqlError. */
  query(sql: string): Promise<SqlResult> {
    return this.#guarded((done) => this.#connection.query(sql, done));
  }

  async readFacts(): Promise<ServerFacts> {
    const variables = await this.#show('VARIABLES', [...FACT_VARIABLES]);
    const hasSemiSync = [...variables.keys()].some((name) => name.startsWith('rpl_semi_sync'));
    const status = hasSemiSync ? await this.#show('STATUS', [...SEMI_SYNC_STATUS]) : new Map<string, string>();
    this.#facts = readFacts(
      variables,
      [...status.values()].some((value) => value === 'ON'),
    );
    return this.#facts;
  }

  /** Ends the connection at once; what is under way stays unknown. */
  destroy(): void {
    this.#usable = false;
    this.#connection.destroy();
  }

  async #prepare(isolation: IsolationLevel): Promise<void> {
    const wanted = [...SETTINGS].map(([name, value]) => `${name} = ${/^\d+$/.test(value) ? value : `'${value}'`}`);
    await this.query(`SET SESSION ${wanted.join(', ')}`);
    await this.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
    const found = await this.#show('SESSION VARIABLES', [...SETTINGS.keys(), ...ISOLATION_VARIABLES]);
    for (const [name, value] of SETTINGS) {
      this.#verify(name, value, found.get(name));
    }
    const level = ISOLATION_VARIABLES.map((name) => found.get(name)).find((value) => value !== undefined);
    this.#verify('transaction_isolation', isolation.replace(' ', '-'), level);
    await this.readFacts();
  }

  #verify(name: string, wanted: string, found: string | undefined): void {
    if (found !== wanted) {
      throw new StoreError('unavailable', `the server keeps ${name} at ${found ?? 'nothing'} instead of ${wanted}`);
    }
  }

  async #show(what: string, names: readonly string[]): Promise<Map<string, string>> {
    const list = names.map((name) => `'${name}'`).join(', ');
    const { rows } = await this.query(`SHOW ${what} WHERE Variable_name IN (${list})`);
    return new Map(rows.map(([name, value]) => [String(name), String(value)]));
  }

  #guarded(run: (done: (error: QueryError | null, result: unknown) => void) => void): Promise<SqlResult> {
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(this.#deadlineMs, () => {
        this.destroy();
        reject(new MysqlError(`no answer within ${this.#deadlineMs} ms`));
      });
      run((error, result) => {
        cancel();
        if (error === null) {
          resolve(toResult(result));
        } else {
          reject(this.#fault(error));
        }
      });
    });
  }

  #fault(error: QueryError): MysqlError {
    const isServers = typeof error.errno === 'number' && error.errno > 0 && error.sqlState !== undefined;
    if (!isServers || error.fatal) {
      this.destroy();
    }
    return new MysqlError(`${error.code}: ${error.message}`, isServers ? error.errno : undefined);
  }
}

function toBound(value: SqlValue): string | Buffer | null {
  if (typeof value === 'number') {
    return String(value);
  }
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

function toResult(result: unknown): SqlResult {
  if (Array.isArray(result)) {
    return { rows: result as unknown[][], affected: 0 };
  }
  const header = result as { readonly affectedRows?: number } | undefined;
  return { rows: [], affected: header?.affectedRows ?? 0 };
}

function hostOf({ host = '', port = 0, database = '' }: ConnectionOptions): string {
  return `${host}:${port}/${database}`;
}
