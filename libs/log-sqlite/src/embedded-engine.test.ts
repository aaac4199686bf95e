import { join } from 'node:path';

import { type StorageEngine } from '@hermes/log';
import { describeStorageEngine, type StoreHarness } from '@hermes/log/contract-tests';
import { FakeClock, temporaryDirectory } from '@hermes/testing';
import Database from 'better-sqlite3';

import { openEmbeddedEngine } from './embedded-engine.js';
import { failOnFatal } from '../test/fail-on-fatal.js';

const SHARDS = 2;

function makeHarness(): Promise<StoreHarness> {
  const directory = temporaryDirectory();
  const damage = async (topicId: number, partition: number, sql: string): Promise<void> => {
    const file = new Database(join(directory.path, `shard-${(topicId + partition) % SHARDS}.db`));
    try {
      await Promise.resolve(file.exec(sql));
    } finally {
      file.close();
    }
  };
  return Promise.resolve({
    open: () => openEmbeddedEngine({ directory: directory.path, shards: SHARDS, onFatal: failOnFatal }),
    loseState: (topicId, partition) =>
      damage(
        topicId,
        partition,
        `DELETE FROM partition_state WHERE topic_id = ${topicId} AND partition = ${partition}`,
      ),
    loseLane: (topicId, partition, lane) => damage(topicId, partition, `DROP TABLE t${topicId}_p${partition}_l${lane}`),
    loseRecordsFrom: (topicId, partition, lane, offset) =>
      damage(topicId, partition, `DELETE FROM t${topicId}_p${partition}_l${lane} WHERE log_offset >= ${offset}`),
    corruptRecord: (topicId, partition, lane, offset) =>
      damage(
        topicId,
        partition,
        `UPDATE t${topicId}_p${partition}_l${lane} SET record = x'00' WHERE log_offset = ${offset}`,
      ),
    dispose: () => {
      directory.remove();
      return Promise.resolve();
    },
  });
}

describeStorageEngine('embedded storage', makeHarness);

it('goes on from its last record if wall time was set back while it was closed', async () => {
  using directory = temporaryDirectory();
  const clock = new FakeClock();
  const opened = async (epoch: number): Promise<{ engine: StorageEngine; timeMs: number }> => {
    const engine = await openEmbeddedEngine({ directory: directory.path, clock, onFatal: failOnFatal });
    const place = { topicId: 7, partition: 3, lanes: 2 };
    const opening = await engine.openPartition({ ...place, epoch, incarnation: epoch, created: epoch > 1 });
    return { engine, timeMs: opening.kind === 'opened' ? opening.store.timeMs() : 0 };
  };
  const first = await opened(1);
  await first.engine.close();
  clock.setWall(clock.wallMs() - 3_600_000);
  clock.advance(10_000);
  const second = await opened(2);
  expect(second.timeMs).toBe(first.timeMs);
  await second.engine.close();
});
