import { DataSource, Durability, durationFromMs, Outcome, StateStore, StorageClass } from '@hermes/contracts';
import {
  eventually,
  SHARED_SERVER_DEADLINE_MS,
  sharedKafka,
  sharedMysql,
  SQL_SERVER_KINDS,
  temporaryDirectory,
  type TestDatabase,
} from '@hermes/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { BrokerFixture, message } from '../broker-fixture.js';

const PATIENCE = { deadlineMs: 30_000 };

/** What docs/operations/kafka.md says that brokers need rights on. */
const TABLES = [
  ...['partition_state', 'lane_state', 'group_cursor', 'retry', 'dead_letter', 'schedule', 'producer'],
  ...['hermes_schema', 'hermes_store'],
];

/** Long enough for a broker to be stopped and another one to be started before it is over. */
const DELAY_MS = 5_000;

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe.each(SQL_SERVER_KINDS)('the state of a topic on Kafka in metadata on %s', (kind) => {
  const directory = temporaryDirectory();
  let database: TestDatabase;
  let fixture: BrokerFixture;
  let metadata: Record<string, string>;
  beforeEach(async () => {
    const { bootstrap } = await sharedKafka();
    database = await (await sharedMysql(kind)).createDatabase();
    const metadataPasswordFile = join(directory.path, 'password');
    writeFileSync(metadataPasswordFile, `${database.password}\n`);
    const { user, host, port, name } = database;
    metadata = { metadataUrl: `mysql://${user}@${host}:${port}/${name}`, metadataPasswordFile };
    fixture = new BrokerFixture();
    fixture.meta.catalog.dataSources.set(
      'log',
      DataSource.fromPartial({
        ...{ name: 'log', storageClass: StorageClass.KAFKA, endpoints: [...bootstrap] },
        kafka: { topicPrefix: name },
      }),
    );
  }, SHARED_SERVER_DEADLINE_MS);
  afterEach(async () => {
    await fixture.stop();
    await database.drop();
  });
  afterAll(() => {
    directory.remove();
  });

  const TOPIC = {
    ...{ storageClass: StorageClass.KAFKA, dataSources: ['log'], requiredDurability: Durability.BUFFERED },
    kafka: { topic: '', readOnly: false, stateStore: StateStore.METADATA },
  };

  it('is taken over by a broker with another data directory: what is settled, retries, dead letters, schedules', async () => {
    fixture.settings = metadata;
    await fixture.start();
    await fixture.topic('orders', TOPIC);
    await fixture.group('orders', 'billing');
    await fixture.publishTexts('orders', ['settled', 'failed', 'dead', 'returned']);
    const schedule = { $case: 'delay' as const, value: durationFromMs(DELAY_MS) };
    const { results } = await fixture.publish({ messages: [message('later', { schedule })] });
    expect(results[0]?.outcome?.$case).not.toBe('error');
    const subscriber = await fixture.subscribe().opened();
    const [settled, failed, dead] = await subscriber.received(4);
    expect(await subscriber.settle([settled!])).toEqual(['OK']);
    expect(await subscriber.settle([failed!], { outcome: Outcome.NACK, reason: 'no use' })).toEqual(['OK']);
    expect(await subscriber.settle([dead!], { outcome: Outcome.DEAD_LETTER, reason: 'given up' })).toEqual(['OK']);

    const [first, other] = [fixture.directory, temporaryDirectory()];
    fixture.directory = other.path;
    await fixture.restartBroker('orders');
    const next = await fixture.subscribe({ consumer: 'c2' }).opened();
    await eventually(() => {
      expect([...new Set(next.texts)].sort()).toEqual(['failed', 'later', 'returned']);
    }, PATIENCE);
    expect(await next.settle(next.deliveries)).toEqual(next.deliveries.map(() => 'OK'));
    const { deadLetters } = await fixture.listDeadLetters({ topic: 'orders', group: 'billing' });
    expect(deadLetters.map(({ reason }) => reason)).toEqual(['given up']);
    fixture.directory = first;
    await fixture.restartBroker('orders');
    other.remove();
  });

  it('needs rights on the tables of its own alone', async () => {
    const { host, port, user, password } = await sharedMysql(kind);
    const broker = `b${database.name}`.slice(0, 32);
    const root = await createConnection({ host, port, user, password });
    await root.query(`CREATE USER '${broker}'@'%' IDENTIFIED BY '${database.password}'`);
    for (const table of TABLES) {
      const rights = 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER';
      await root.query(`GRANT ${rights} ON ${database.name}.${table} TO '${broker}'@'%'`);
    }
    fixture.settings = { ...metadata, metadataUrl: metadata['metadataUrl']?.replace(database.user, broker) };
    await fixture.start();
    await fixture.topic('orders', TOPIC);
    await fixture.group('orders', 'billing');
    await fixture.publishTexts('orders', ['stored']);
    const subscriber = await fixture.subscribe().opened();
    expect(await subscriber.settle(await subscriber.received(1))).toEqual(['OK']);
    fixture.meta.deleteTopic('orders');
    await eventually(async () => {
      const [rows] = await root.query(`SELECT * FROM ${database.name}.partition_state`);
      expect(rows).toEqual([]);
    }, PATIENCE);
    await root.query(`DROP USER '${broker}'@'%'`);
    await root.end();
  });

  it('is not opened by a broker that was not told of these, which says why, and opens it once it was told', async () => {
    await fixture.start();
    fixture.meta.addTopic('orders', TOPIC);
    fixture.meta.grant('orders', 0);
    await eventually(() => fixture.warnings.some((line) => line.includes('--metadata-url')), PATIENCE);
    expect(await fixture.metric('hermes_broker_partitions_opening')).toBe(1);
    fixture.settings = metadata;
    await fixture.restartBroker('orders');
    await fixture.publishTexts('orders', ['stored']);
    expect(await fixture.metric('hermes_broker_data_sources')).toBe(2);
    expect(await fixture.metric('hermes_broker_data_sources_failing')).toBe(0);
  });
});
