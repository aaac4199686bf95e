import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { describeLogEngine, type StoreHarness } from '@hermes/log/contract-tests';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { sharedKafka, SHARED_SERVER_DEADLINE_MS, temporaryDirectory } from '@hermes/testing';
import Database from 'better-sqlite3';
import { Kafka, logLevel } from 'kafkajs';

import { openKafkaEngine } from './kafka-engine.js';

jest.setTimeout(30_000);

async function makeHarness(): Promise<StoreHarness> {
  const brokers = [...(await sharedKafka()).bootstrap];
  const directory = temporaryDirectory();
  const prefix = `t-${randomUUID()}`;
  const cannot = (): Promise<void> => Promise.reject(new Error('not on Kafka'));
  const withAdmin = async (use: (admin: ReturnType<Kafka['admin']>) => Promise<void>): Promise<void> => {
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await use(admin);
    await admin.disconnect();
  };
  return {
    open: async () => {
      const state = await openEmbeddedEngine({ directory: directory.path, shards: 1, onFatal: () => undefined });
      const engine = await openKafkaEngine({ server: { brokers }, topics: { prefix }, state });
      const close = engine.close.bind(engine);
      engine.close = async () => {
        await close();
        await state.close();
      };
      return engine;
    },
    loseState: (topicId, partition) => {
      const file = new Database(join(directory.path, 'shard-0.db'));
      file.prepare('DELETE FROM partition_state WHERE topic_id = ? AND partition = ?').run(topicId, partition);
      file.close();
      return Promise.resolve();
    },
    loseLane: (topicId, _partition, lane) =>
      withAdmin((admin) => admin.deleteTopics({ topics: [`${prefix}.${topicId}.${lane}`] })),
    loseRecordsFrom: cannot,
    corruptRecord: cannot,
    dispose: () =>
      withAdmin(async (admin) => {
        const topics = (await admin.listTopics()).filter((name) => name.startsWith(prefix));
        await admin.deleteTopics({ topics });
        directory.remove();
      }),
  };
}

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

describeLogEngine('Kafka storage', makeHarness, { appendFence: false, damage: false, joined: false });
