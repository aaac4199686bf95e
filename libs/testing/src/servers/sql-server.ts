/** The servers that Hermes stores messages in: MySQL 9 and MariaDB 10.11. Tests run on each. */
export const SQL_SERVER_KINDS = ['mysql', 'mariadb'] as const;
export type SqlServerKind = (typeof SQL_SERVER_KINDS)[number];

/** Where a server listens, and an account that may do everything on it. */
export interface SqlEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Set: it takes nothing but TLS, with a certificate of this authority (PEM). */
  readonly ca?: string;
}

/** A database of one test file, with an account for it alone. It goes with its server; on a server that was running before, `drop` it. */
export interface TestDatabase extends SqlEndpoint, AsyncDisposable {
  readonly name: string;
  /** `mysql://user:password@host:port/name` */
  readonly url: string;
  drop(): Promise<void>;
}

/** A running server that test files share: each makes a database of its own and leaves the server's settings alone. */
export interface SqlServer extends SqlEndpoint {
  readonly kind: SqlServerKind;
  /** Makes an empty database with a name that no other has, and a user who may do everything there and nothing else. */
  createDatabase(): Promise<TestDatabase>;
}

/**
 * A server of one test, which may do to it what it likes. Port and data directory stay the same until `stop`. It runs
 * with fsync at each commit, as in production.
 */
export interface OwnSqlServer extends SqlServer, AsyncDisposable {
  /** Ends it with SIGKILL, in the middle of whatever it does; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again, after an orderly shutdown if it still runs; resolves when it answers. */
  restart(): Promise<void>;
  /** Stalls it, as SIGSTOP does: connections stay open and nothing is answered. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it and deletes its data. Harmless when repeated. */
  stop(): Promise<void>;
}
