import { HermesError } from '@hermes/contracts';
import { type DatabaseConnection, type Driver, SqliteDialect } from 'kysely';

/** SQLite's codes for faults of the disk or the file; any other is a defect of our statements. */
const OPERATING_FAULT = /^SQLITE_(IOERR|READONLY|CORRUPT|CANTOPEN|BUSY|LOCKED|NOMEM|NOTADB|PROTOCOL)/;

/** Kysely's SQLite dialect, with the driver's operating faults turned into HermesError where they arise. */
export class FaultMappingSqliteDialect extends SqliteDialect {
  override createDriver(): Driver {
    const driver = super.createDriver();
    const acquire = driver.acquireConnection.bind(driver);
    driver.acquireConnection = async (...options) => mapFaults(await acquire(...options));
    return driver;
  }
}

function mapFaults(connection: DatabaseConnection): DatabaseConnection {
  return {
    executeQuery: async (query) => {
      try {
        return await connection.executeQuery(query);
      } catch (error) {
        throw mapFault(error);
      }
    },
    streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
  };
}

function mapFault(error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === 'SQLITE_FULL') {
    return new HermesError('STORAGE_FULL', 'no space is left for the metadata database', { cause: error });
  }
  return OPERATING_FAULT.test(code)
    ? new HermesError('STORAGE_UNAVAILABLE', `the metadata database failed: ${String(error)}`, { cause: error })
    : error;
}

/**
 * SQLite's code of an error; empty if it has none. By its field, not its class: the driver keeps the classes of the
 * context that loaded it first.
 */
export function sqliteCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}
