import SqliteDatabase from 'better-sqlite3';
import { type DatabaseConnection, type Driver, SqliteDialect } from 'kysely';

import { MetadataError } from './metadata-error.js';

/** Kysely's SQLite dialect, with the driver's faults turned into MetadataError where they arise. */
export class FaultMappingSqliteDialect extends SqliteDialect {
  readonly #path: string;

  constructor(database: SqliteDatabase.Database, path: string) {
    super({ database });
    this.#path = path;
  }

  override createDriver(): Driver {
    const driver = super.createDriver();
    const acquire = driver.acquireConnection.bind(driver);
    driver.acquireConnection = async () => mapFaults(await acquire(), this.#path);
    return driver;
  }
}

function mapFaults(connection: DatabaseConnection, path: string): DatabaseConnection {
  return {
    executeQuery: async (query) => {
      try {
        return await connection.executeQuery(query);
      } catch (error) {
        throw asMetadataError(error, path);
      }
    },
    streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
  };
}

/** Turns what SQLite or the file system threw into a MetadataError that names the file; that alone passes as it is. */
export function asMetadataError(error: unknown, path: string): MetadataError {
  if (error instanceof MetadataError) {
    return error;
  }
  if (error instanceof SqliteDatabase.SqliteError && error.code === 'SQLITE_FULL') {
    return new MetadataError('FULL', `no space left for ${path}`, error);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new MetadataError('FAILED', `metadata database ${path}: ${reason}`, error);
}
