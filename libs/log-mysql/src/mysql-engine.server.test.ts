import { describeStorageEngine, type StoreHarness } from '@hermes/log/contract-tests';
import { SHARED_SERVER_DEADLINE_MS, sharedMysql, SQL_SERVER_KINDS, type SqlServerKind } from '@hermes/testing';

import { makeDatabase } from '../test/store-database.js';
import { openMysqlEngine } from './mysql-engine.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

async function makeHarness(kind: SqlServerKind): Promise<StoreHarness> {
  const database = await makeDatabase(await sharedMysql(kind));
  const change = async (sql: string): Promise<void> => {
    await database.query(sql);
  };
  const table = (topicId: number, partition: number, lane: number): string => `t${topicId}_p${partition}_l${lane}`;
  return {
    open: () => openMysqlEngine({ server: database.options, environment: database.environment }),
    loseState: (topicId, partition) =>
      change(`DELETE FROM partition_state WHERE topic_id = ${topicId} AND partition_no = ${partition}`),
    loseLane: (topicId, partition, lane) => change(`DROP TABLE ${table(topicId, partition, lane)}`),
    loseRecordsFrom: (topicId, partition, lane, offset) =>
      change(`DELETE FROM ${table(topicId, partition, lane)} WHERE log_offset >= ${offset}`),
    corruptRecord: (topicId, partition, lane, offset) =>
      change(`UPDATE ${table(topicId, partition, lane)} SET record = x'00' WHERE log_offset = ${offset}`),
    dispose: () => database.drop(),
  };
}

describe.each(SQL_SERVER_KINDS)('on %s', (kind) => {
  beforeAll(() => sharedMysql(kind), SHARED_SERVER_DEADLINE_MS);
  describeStorageEngine('MySQL storage', () => makeHarness(kind));
});
