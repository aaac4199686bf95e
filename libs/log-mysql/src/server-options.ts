import { isIP } from 'node:net';

import { type Environment, readSecret, readTls, type SecretReference, StoreError, type TlsOptions } from '@hermes/log';
import type { ConnectionOptions } from 'mysql2';

/** One MySQL or MariaDB server, and the database that is Hermes' own. */
export interface MysqlServerOptions {
  readonly host: string;
  /** 3306 if unset. */
  readonly port?: number;
  readonly user: string;
  /** No password if unset. */
  readonly password?: SecretReference;
  readonly database: string;
  /** Plain TCP if unset. With the server's certificate its name is verified: addresses have none. */
  readonly tls?: TlsOptions;
}

/** A server and database to which somebody else knows the way. */
export interface MysqlAccess {
  /** How it is called in messages. */
  readonly name: string;
  /** The driver's options, with secrets read anew for each connection. What it rejects with is told as `unavailable`. */
  readonly connectionOptions: () => Promise<ConnectionOptions>;
}

const PORT_DEFAULT = 3306;

/** The way to a server by its options. */
export function accessTo(server: MysqlServerOptions | MysqlAccess, environment: Environment): MysqlAccess {
  if ('connectionOptions' in server) {
    return server;
  }
  const { host, port = PORT_DEFAULT, database } = server;
  return { name: `${host}:${port}/${database}`, connectionOptions: () => driverOptions(server, environment) };
}

async function driverOptions(server: MysqlServerOptions, environment: Environment): Promise<ConnectionOptions> {
  const { host, port = PORT_DEFAULT, user, password, database, tls } = server;
  if (tls !== undefined && isIP(host) !== 0) {
    throw new StoreError('unavailable', `TLS verifies the name of the server, and ${host} is an address`);
  }
  const verified = { minVersion: 'TLSv1.2', rejectUnauthorized: true, verifyIdentity: true } as const;
  return {
    host,
    port,
    user,
    database,
    ...(password === undefined ? {} : { password: await readSecret(password, environment) }),
    ...(tls === undefined ? {} : { ssl: { ...verified, ...(await readTls(tls, environment)) } }),
  };
}
