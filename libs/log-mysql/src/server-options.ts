import { isIP } from 'node:net';

import { type Environment, readSecret, type SecretReference, StoreError } from '@hermes/log';
import type { ConnectionOptions, SslOptions } from 'mysql2';

/** TLS to the server; the server's certificate is always verified, and with it the server's name: addresses have none. */
export interface MysqlTlsOptions {
  /** Authorities that may have signed the server's certificate; the system's if unset. */
  readonly ca?: SecretReference;
  /** Our own certificate and key, if the server asks for them. */
  readonly certificate?: SecretReference;
  readonly key?: SecretReference;
}

/** One MySQL or MariaDB server, and the database that is Hermes' own. */
export interface MysqlServerOptions {
  readonly host: string;
  /** 3306 if unset. */
  readonly port?: number;
  readonly user: string;
  /** No password if unset. */
  readonly password?: SecretReference;
  readonly database: string;
  /** Plain TCP if unset. */
  readonly tls?: MysqlTlsOptions;
}

const PORT_DEFAULT = 3306;

/** The driver's form of the options, with secrets read. */
export async function driverOptions(server: MysqlServerOptions, environment: Environment): Promise<ConnectionOptions> {
  const { host, port = PORT_DEFAULT, user, password, database, tls } = server;
  if (tls !== undefined && isIP(host) !== 0) {
    throw new StoreError('unavailable', `TLS verifies the name of the server, and ${host} is an address`);
  }
  return {
    host,
    port,
    user,
    database,
    ...(password === undefined ? {} : { password: await readSecret(password, environment) }),
    ...(tls === undefined ? {} : { ssl: await tlsOptions(tls, environment) }),
  };
}

/** The server as it is named in messages. */
export function serverName({ host, port = PORT_DEFAULT, database }: MysqlServerOptions): string {
  return `${host}:${port}/${database}`;
}

async function tlsOptions(tls: MysqlTlsOptions, environment: Environment): Promise<SslOptions> {
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    throw new StoreError('unavailable', 'a TLS certificate needs its key, and a key its certificate');
  }
  const read = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : readSecret(reference, environment);
  const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.certificate), read(tls.key)]);
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    verifyIdentity: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
