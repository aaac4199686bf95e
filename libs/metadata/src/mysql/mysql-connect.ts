import { readFileSync } from 'node:fs';

import { type Timers } from '@hermes/runtime';
import { type Connection, type ConnectionOptions, createConnection, type SslOptions } from 'mysql2/promise';

import { MetadataError } from '../metadata-error.js';
import { Deadline } from './deadline.js';
import { prepareSession, type SessionWaits } from './mysql-session.js';
import { type MysqlAddress } from './mysql-url.js';

const CONNECT_TIMEOUT_MS = 2_000;
/** Statements are few and repeat; each costs the server memory. */
const STATEMENTS_PER_CONNECTION_MAX = 100;
/** A password is a line, not a book: somebody named the wrong file. */
const PASSWORD_BYTES_MAX = 4_096;

/** Where to connect, and with what. */
export interface MysqlCredentials {
  readonly address: MysqlAddress;
  readonly passwordFile?: string | undefined;
}

/** How a connection is made ready. */
export interface ConnectSteps {
  readonly timers: Timers;
  readonly waits: SessionWaits;
  /** Comes last, before anybody uses the connection. */
  readonly onOpen?: (connection: Connection) => Promise<void>;
}

/** Opens a connection with its session prepared. Files are read each time, so that a secret may be changed. */
export async function connectMysql(
  credentials: MysqlCredentials,
  { timers, waits, onOpen }: ConnectSteps,
): Promise<Connection> {
  const connection = await createConnection(connectionOptions(credentials));
  // What breaks while nothing runs is told by the next statement.
  connection.on('error', () => undefined);
  const deadline = new Deadline(timers, CONNECT_TIMEOUT_MS, () => undefined);
  try {
    await deadline.race(prepareSession(connection, waits));
    await deadline.race(onOpen?.(connection) ?? Promise.resolve());
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    deadline.cancel();
  }
}

/** The driver's options. Files are read anew: FILE_UNREADABLE. */
export function connectionOptions({ address, passwordFile }: MysqlCredentials): ConnectionOptions {
  const { host, port, user, database } = address;
  const ssl = sslOf(address);
  return {
    ...{ host, port, user, database },
    ...(passwordFile === undefined ? {} : { password: readPassword(passwordFile) }),
    ...(ssl === undefined ? {} : { ssl }),
    charset: 'UTF8MB4_BIN',
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxPreparedStatements: STATEMENTS_PER_CONNECTION_MAX,
    multipleStatements: false,
    flags: ['-LOCAL_FILES'],
  };
}

function sslOf({ tls, caFile, certFile, keyFile }: MysqlAddress): SslOptions | undefined {
  if (tls === 'off') {
    return undefined;
  }
  const verify = tls === 'verify';
  return {
    rejectUnauthorized: verify,
    verifyIdentity: verify,
    minVersion: 'TLSv1.2',
    ...(caFile === undefined ? {} : { ca: readText(caFile) }),
    ...(certFile === undefined ? {} : { cert: readText(certFile) }),
    ...(keyFile === undefined ? {} : { key: readText(keyFile) }),
  };
}

function readPassword(path: string): string {
  const text = readText(path);
  if (Buffer.byteLength(text) > PASSWORD_BYTES_MAX) {
    throw new MetadataError('FILE_UNREADABLE', `${path} is too big for a password: its first line is the password`);
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new MetadataError('FILE_UNREADABLE', `${path} cannot be read`, error);
  }
}
