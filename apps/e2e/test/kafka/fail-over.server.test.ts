import { Durability, StateStore, StorageClass } from '@hermes/client';
import { eventually, sharedMysql, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';

import { seenAll, settledAll } from '../harness/drain.js';
import { createKafkaSource } from '../harness/kafka-source.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';

const PARTITIONS = 4;
const MESSAGES = 4_000;
const LEASE_TTL_MS = 5_000;
const DEADLINE_MS = 60_000;
const TOPIC = { topic: 'orders', group: 'billing' } as const;

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe('a topic on Kafka that names no place for the state of its groups, where the metadata are in MySQL', () => {
  it('goes over to another broker when its own is killed, with all that its groups have settled, retried and given up', async () => {
    await using database = await (await sharedMysql('mariadb')).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { brokers: 2, leaseTtlMs: LEASE_TTL_MS });
    const { hermes, processes } = cluster;
    await createKafkaSource(hermes, database.name);
    const storage = { storageClass: StorageClass.KAFKA, requiredDurability: Durability.BUFFERED };
    const created = await hermes.admin.createTopic({ name: TOPIC.topic, partitions: PARTITIONS, ...storage });
    expect(created.kafka?.stateStore).toBe(StateStore.METADATA);
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: 'audit' });
    const owners = async (): Promise<string[]> => {
      const partitions = await placed(hermes, TOPIC.topic);
      expect(partitions.filter(({ dataDirectory }) => dataDirectory !== '')).toEqual([]);
      return partitions.map(({ broker }) => broker);
    };
    await eventually(async () => new Set(await owners()).size === 2, { deadlineMs: DEADLINE_MS });

    // What this group gives up must outlive the broker that was told so.
    const auditor = hermes.consumer(TOPIC.topic, 'audit');
    const auditing = auditor.run((delivery) => delivery.deadLetter('not ours'));
    const ledger = new Ledger();
    const consumer = startConsumer(hermes, ledger, { ...TOPIC, name: 'c-0' });
    const [killed] = processes.brokers;
    let hasKilled: Promise<unknown> | undefined;
    await publishLoad(hermes, ledger, {
      ...{ topic: TOPIC.topic, name: 'load', messages: MESSAGES, keys: 100 },
      onProgress: (ended) => {
        if (ended >= MESSAGES / 3) {
          hasKilled ??= killed!.process.end('SIGKILL');
        }
      },
    });
    await hasKilled;
    expect(hasKilled).toBeDefined();
    await eventually(async () => (await owners()).every((owner) => owner !== '' && owner !== killed!.name), {
      deadlineMs: DEADLINE_MS,
    });
    await seenAll(hermes, ledger, TOPIC.topic, TOPIC.group);
    await settledAll(hermes, TOPIC.topic, TOPIC.group);
    await consumer.stop();
    expect(ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    const deadLetters = async (): Promise<number> => {
      const { lanes } = await hermes.admin.describeGroup(TOPIC.topic, 'audit');
      return lanes.reduce((sum, lane) => sum + lane.deadLetters, 0);
    };
    await eventually(async () => (await deadLetters()) >= ledger.acknowledged, { deadlineMs: DEADLINE_MS });
    process.stdout.write(
      `state in the metadata: ${ledger.acknowledged} acknowledged, ${ledger.count('unknown')} unknown, ` +
        `${ledger.repeats(TOPIC.group)} delivered again, ${await deadLetters()} dead letters\n`,
    );
    await auditor.drain();
    await auditing;
  });
});
