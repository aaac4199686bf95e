import { describeMetadata } from '../test/describe-metadata.js';
import { createSqliteDatabase } from '../test/test-database.js';

describe('on SQLite', () => {
  describeMetadata(() => Promise.resolve(createSqliteDatabase()));
});
