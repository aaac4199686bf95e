import { isIP } from 'node:net';

import { MetadataError } from '../metadata-error.js';

/** What the URL of a MySQL or MariaDB database starts with. */
export const MYSQL_SCHEME = 'mysql://';

const PORT_DEFAULT = 3306;
const PARAMETERS = ['tls', 'ca', 'cert', 'key'] as const;
const TLS_MODES = ['off', 'encrypt', 'verify'] as const;

/**
 * How the connection is protected. `verify`: encrypted, and the server's certificate is checked with its name.
 * `encrypt`: encrypted for whoever answers. `off`: plain text.
 */
export type TlsMode = (typeof TLS_MODES)[number];

/** A MySQL server's place, without any secret. */
export interface MysqlAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly tls: TlsMode;
  /** PEM files: authorities that the server's certificate is checked against, this client's certificate, its key. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/**
 * Reads `mysql://USER@HOST:PORT/DATABASE?tls=off|encrypt|verify&ca=FILE&cert=FILE&key=FILE`. TLS is `verify` unless the
 * host is this machine's loopback. URL_INVALID for anything else, and for a password: processes show their arguments
 * to everybody. No message repeats the URL.
 */
export function parseMysqlUrl(text: string): MysqlAddress {
  const url = URL.canParse(text) ? new URL(text) : refuse('is not a URL');
  if (url.password !== '' || url.searchParams.has('password')) {
    refuse('must not hold a password: write it to a file and name that in METADATA_PASSWORD_FILE');
  }
  const user = decodeURIComponent(url.username);
  const database = decodeURIComponent(url.pathname.slice(1));
  if (url.hostname === '' || user === '' || database === '' || database.includes('/')) {
    refuse('must be mysql://USER@HOST:PORT/DATABASE');
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.some((known) => known === name)) {
      refuse(`knows only the parameters ${PARAMETERS.join(', ')}`);
    }
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? PORT_DEFAULT : Number(url.port);
  return { host, port, database, user, ...readTls(url.searchParams, host) };
}

/** The address for messages. */
export function mysqlName({ host, port, database }: MysqlAddress): string {
  return `mysql://${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;
}

function readTls(parameters: URLSearchParams, host: string): Partial<MysqlAddress> & { readonly tls: TlsMode } {
  const given = parameters.get('tls') ?? (isLoopback(host) ? 'off' : 'verify');
  const tls = TLS_MODES.find((mode) => mode === given) ?? refuse(`has tls=${TLS_MODES.join(', tls=')}`);
  const [caFile, certFile, keyFile] = ['ca', 'cert', 'key'].map((name) => parameters.get(name) ?? undefined);
  if (tls === 'off' && [caFile, certFile, keyFile].some((file) => file !== undefined)) {
    refuse('names certificates, which need tls=verify or tls=encrypt');
  }
  if (tls === 'verify' && isIP(host) !== 0) {
    refuse('must name the host: tls=verify checks the name, not the address (tls=encrypt trusts whoever answers)');
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    refuse('needs cert and key together');
  }
  return {
    tls,
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function refuse(problem: string): never {
  throw new MetadataError('URL_INVALID', `the metadata URL ${problem}`);
}
