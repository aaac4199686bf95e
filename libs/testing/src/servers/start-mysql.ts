import { env, stderr } from 'node:process';

import { type Certificate } from './certificates.js';
import { type SqlEngine } from './engine.js';
import { openServer, SERVER_SOURCES, type ServerSource, untilReady } from './server-source.js';
import { SqlContainer } from './sql-container.js';
import { SqlProgram } from './sql-program.js';
import { createDatabase, withConnection } from './sql-session.js';
import { type OwnSqlServer, type SqlEndpoint, type SqlServer, type SqlServerKind } from './sql-server.js';
import { ONCE_DEADLINE_MS, TestRun } from './test-run.js';

export interface SqlServerOptions {
  /** The sources to try; all if unset. */
  readonly sources?: readonly ServerSource[];
  /** Options of the server by name, without dashes in front: `{ 'max-connections': '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Its data is on a disk of that many bytes, in memory: what is on it goes with the process. */
  readonly diskBytes?: number;
  /** It takes nothing but TLS, with this certificate, and knows clients by this authority. */
  readonly tls?: Certificate & { readonly ca: string };
}

/** A server is there within this time, even where it has to be installed first: what a test's `beforeAll` may take. */
export const SHARED_SERVER_DEADLINE_MS = ONCE_DEADLINE_MS;
const ENGINES = { docker: SqlContainer, program: SqlProgram } as const;

/**
 * Starts a server of the caller's own: from Docker, else from a program on PATH, else (as root on Debian) from packages.
 * Ended by `stop` or disposal, at the latest with the test run. Throws what to install if there is none.
 */
export async function startMysql(kind: SqlServerKind, options: SqlServerOptions = {}): Promise<OwnSqlServer> {
  const { sources = SERVER_SOURCES, settings = {}, ...rest } = options;
  const run = TestRun.open();
  const engine = await openServer<SqlEngine>(
    `${kind} server`,
    sources,
    (source) => ENGINES[source].open(kind, { settings, ...rest }, run),
    advice(kind),
  );
  await untilAnswers(engine).catch(async (error: unknown) => {
    await engine.remove();
    throw error;
  });
  return new StartedServer(kind, engine);
}

/**
 * The server of this kind that the whole test run shares: the one that HERMES_TEST_MYSQL_URL or
 * HERMES_TEST_MARIADB_URL names (`mysql://user:password@host:port`, an account that may do everything), else one that
 * the first caller starts, and that ends with the run.
 */
export async function sharedMysql(kind: SqlServerKind): Promise<SqlServer> {
  const url = env[urlVariable(kind)];
  const endpoint = url === undefined || url === '' ? await sharedEndpoint(kind) : parseUrl(url);
  return { kind, ...endpoint, createDatabase: () => createDatabase(endpoint) };
}

function sharedEndpoint(kind: SqlServerKind): Promise<SqlEndpoint> {
  return TestRun.open().once(kind, async () => {
    stderr.write(`hermes: starting ${kind} for the tests …\n`);
    const { host, port, user, password } = await startMysql(kind);
    return { host, port, user, password };
  });
}

function parseUrl(text: string): SqlEndpoint {
  const url = new URL(text);
  return {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}

function urlVariable(kind: SqlServerKind): string {
  return `HERMES_TEST_${kind.toUpperCase()}_URL`;
}

function advice(kind: SqlServerKind): string {
  const program = kind === 'mysql' ? 'MySQL 9 (mysqld)' : 'MariaDB 10.11 (mariadbd)';
  return `Start Docker, or install ${program}, or name a running server in ${urlVariable(kind)} (for tests that share one).`;
}

function untilAnswers(engine: SqlEngine): Promise<void> {
  return untilReady(engine, () => withConnection(engine.endpoint, (connection) => connection.query('SELECT 1')));
}

class StartedServer implements OwnSqlServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  #stopped: Promise<void> | undefined;

  constructor(
    readonly kind: SqlServerKind,
    private readonly engine: SqlEngine,
  ) {
    ({ host: this.host, port: this.port, user: this.user, password: this.password } = engine.endpoint);
  }

  createDatabase: SqlServer['createDatabase'] = () => createDatabase(this.engine.endpoint);

  kill(): Promise<void> {
    return this.engine.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.engine.end('SIGTERM');
    await this.engine.start();
    await untilAnswers(this.engine);
  }

  pause(): Promise<void> {
    return this.engine.pause();
  }

  resume(): Promise<void> {
    return this.engine.resume();
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.engine.remove());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
