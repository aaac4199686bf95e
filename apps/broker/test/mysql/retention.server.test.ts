import { StorageClass } from '@hermes/contracts';
import { SHARED_SERVER_DEADLINE_MS, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';
import { describeRetention, RetainedTopics } from '../describe-retention.js';
import { MysqlBroker } from './mysql-broker.js';

jest.setTimeout(60_000);

const brokers: MysqlBroker[] = [];
const engines = new Map<string, RetainedTopics>();
beforeAll(async () => {
  for (const kind of SQL_SERVER_KINDS) {
    const broker = await MysqlBroker.start(await sharedMysql(kind));
    brokers.push(broker);
    engines.set(kind, new RetainedTopics(broker.fixture, { storageClass: StorageClass.MYSQL }));
  }
}, SHARED_SERVER_DEADLINE_MS);
afterAll(async () => {
  for (const broker of brokers) {
    await broker[Symbol.asyncDispose]();
  }
});

describeRetention('MySQL and MariaDB', () => engines);
