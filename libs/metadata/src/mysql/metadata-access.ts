import { type ConnectionOptions } from 'mysql2';

import { type MetadataOptions } from '../metadata-options.js';
import { connectionOptions } from './mysql-connect.js';
import { MYSQL_SCHEME, mysqlName, parseMysqlUrl } from './mysql-url.js';

/** The way to the metadata database, for brokers that keep tables of their own there. */
export interface MetadataAccess {
  /** How it is called in messages. */
  readonly name: string;
  /** The driver's options for one connection, with the files read anew. Rejects with FILE_UNREADABLE. */
  readonly connectionOptions: () => Promise<ConnectionOptions>;
}

/** URL_INVALID for a URL that is none. Undefined for a database that no broker can reach. */
export function metadataAccess({
  url,
  passwordFile,
}: Pick<MetadataOptions, 'url' | 'passwordFile'>): MetadataAccess | undefined {
  if (!url.startsWith(MYSQL_SCHEME)) {
    return undefined;
  }
  const address = parseMysqlUrl(url);
  return {
    name: mysqlName(address),
    connectionOptions: () =>
      new Promise((resolve) => {
        resolve(connectionOptions({ address, passwordFile }));
      }),
  };
}
