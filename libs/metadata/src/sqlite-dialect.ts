import { HermesError } from '@hermes/contracts';
import SqliteDatabase from 'better-sqlite3';
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
  if (!(error instanceof SqliteDatabase.SqliteError)) {
    return error;
  }
  if (error.code === 'SQLITE_FULL') {
    return new HermesError('STORAGE_FULL', 'no space is left for the metadata database', { cause: error });
  }
  return OPERATING_FAULT.test(error.code)
    ? new HermesError('STORAGE_UNAVAILABLE', `the metadata database failed: ${error.message}`, { cause: error })
    : error;
}
