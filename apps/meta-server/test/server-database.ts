import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  SQL_SERVER_KINDS,
  type SqlServer,
  temporaryDirectory,
} from '@hermes/testing';
import { type Connection, createConnection } from 'mysql2/promise';

/** An empty database on a server, and a connection to disturb it with. */
export interface ServerDatabase extends AsyncDisposable {
  /** What a meta-server must be told to use it. */
  readonly settings: { readonly metadataUrl: string; readonly metadataPasswordFile: string };
  readonly connection: Connection;
}

/** Describes the same for each kind of server. */
export function describeServers(body: (create: () => Promise<ServerDatabase>) => void): void {
  describe.each(SQL_SERVER_KINDS)('on %s', (kind) => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await sharedMysql(kind);
    }, SHARED_SERVER_DEADLINE_MS);

    body(() => createDatabase(server));
  });
}

async function createDatabase(server: SqlServer): Promise<ServerDatabase> {
  const database = await server.createDatabase();
  const { host, port, user, password, name } = database;
  const directory = temporaryDirectory();
  const metadataPasswordFile = join(directory.path, 'password');
  writeFileSync(metadataPasswordFile, `${password}\n`);
  const connection = await createConnection({ host, port, user, password, database: name });
  return {
    connection,
    settings: { metadataUrl: `mysql://${user}@${host}:${port}/${name}`, metadataPasswordFile },
    [Symbol.asyncDispose]: async () => {
      connection.destroy();
      await database.drop();
      directory.remove();
    },
  };
}
