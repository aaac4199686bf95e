import { type Certificate } from './certificates.js';
import { type SqlEndpoint } from './sql-server.js';

/** One server process and its data, however it is run. */
export interface Engine {
  /** Starts the process; it need not answer yet. */
  start(): Promise<void>;
  /** Why the process has ended, with the last of its log; undefined while it runs. */
  failure(): Promise<string | undefined>;
  /** Ends the process, paused or not, and waits until it is gone: SIGTERM is an orderly shutdown. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the process and deletes its data. */
  remove(): Promise<void>;
}

export async function removeAll(engines: readonly Engine[]): Promise<void> {
  await Promise.all(engines.map((engine) => engine.remove()));
}

/** A database server that listens there. */
export interface SqlEngine extends Engine {
  readonly endpoint: SqlEndpoint;
}

/** How one database server is to be. */
export interface SqlEngineOptions {
  /** Options of the server by name, without dashes in front. */
  readonly settings: Readonly<Record<string, string>>;
  /** Its data is on a disk of that many bytes, in memory: it goes with the process. */
  readonly diskBytes?: number;
  /** It takes nothing but TLS, and knows clients by this authority. */
  readonly tls?: Certificate & { readonly ca: string };
}

/** What both kinds of database server are told, wherever they run: durable at each commit, as production is. */
export const DURABLE_SETTINGS: Readonly<Record<string, string>> = {
  'innodb-flush-log-at-trx-commit': '1',
  'sync-binlog': '1',
};

/** The files that TLS takes, by name and content, and the settings that name them; `path` is where they will be. */
export function tlsFiles(
  { tls }: SqlEngineOptions,
  path: (name: string) => string,
): { readonly files: Readonly<Record<string, string>>; readonly settings: Readonly<Record<string, string>> } {
  if (tls === undefined) {
    return { files: {}, settings: {} };
  }
  return {
    files: { 'ca.crt': tls.ca, 'server.crt': tls.certificate, 'server.key': tls.key },
    settings: {
      ...{ 'ssl-ca': path('ca.crt'), 'ssl-cert': path('server.crt'), 'ssl-key': path('server.key') },
      'require-secure-transport': 'ON',
    },
  };
}

/** `{ 'max-connections': '20' }` as `--max-connections=20`. */
export function settingArguments(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}
