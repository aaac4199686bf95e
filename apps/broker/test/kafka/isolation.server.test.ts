import { StorageClass } from '@hermes/contracts';
import {
  type KafkaCluster,
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  startKafka,
  type TestDatabase,
} from '@hermes/testing';
import { KafkaBroker } from './kafka-broker.js';

const PHASE_MS = 12_000;
/** What a busy machine does to the slowest of thousands of publishes anyway. */
const NOISE_MS = 400;
const NOISE_FACTOR = 3;

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

/** What publishers of one topic got in a phase. */
interface Phase {
  readonly stored: number;
  readonly slowestMs: number;
}

describe('a broker whose Kafka is in trouble', () => {
  let cluster: KafkaCluster;
  let database: TestDatabase;
  let broker: KafkaBroker;
  beforeAll(async () => {
    cluster = await startKafka();
    database = await (await sharedMysql('mariadb')).createDatabase();
    broker = await KafkaBroker.start(cluster, database);
    await broker.topic('mysql', { storageClass: StorageClass.MYSQL });
    await broker.topic('embedded', { storageClass: StorageClass.EMBEDDED });
    await broker.topic('kafka', { partitions: 20 });
  }, SHARED_SERVER_DEADLINE_MS);
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
    await database.drop();
    await cluster.close();
  });

  async function publishUntil(isOver: () => boolean, topic: string, partition = 0): Promise<Phase> {
    let [stored, slowestMs] = [0, 0];
    for (let count = 0; !isOver(); count += 1) {
      const sinceMs = performance.now();
      const answer = await broker.publish(topic, `${count}`, {}, partition);
      slowestMs = Math.max(slowestMs, performance.now() - sinceMs);
      stored += answer === 'stored' ? 1 : 0;
    }
    return { stored, slowestMs };
  }

  /** Publishes to all topics for a while. */
  async function phase(): Promise<{ readonly mysql: Phase; readonly embedded: Phase; readonly kafka: Phase }> {
    let over = false;
    setTimeout(() => (over = true), PHASE_MS);
    const isOver = (): boolean => over;
    const toKafka = Array.from({ length: 20 }, (_, partition) => publishUntil(isOver, 'kafka', partition));
    const [mysql, embedded] = await Promise.all([publishUntil(isOver, 'mysql'), publishUntil(isOver, 'embedded')]);
    const kafka = await Promise.all(toKafka);
    return {
      ...{ mysql, embedded },
      kafka: {
        stored: kafka.reduce((sum, { stored }) => sum + stored, 0),
        slowestMs: Math.max(...kafka.map(({ slowestMs }) => slowestMs)),
      },
    };
  }

  it.each([
    ['stands still', () => cluster.brokers[0]!.pause(), () => cluster.brokers[0]!.resume()],
    ['is dead', () => cluster.brokers[0]!.kill(), () => cluster.brokers[0]!.start()],
  ])(
    'serves topics on MySQL and embedded ones as before while Kafka %s, and keeps its lease',
    async (_, lose, regain) => {
      const released = broker.fixture.meta.released.length;
      await broker.publishUntil('kafka', 'stored');
      const before = await phase();
      await lose();
      const during = await phase();
      expect(broker.fixture.meta.released).toHaveLength(released);
      await regain();
      await broker.publishUntil('kafka', 'stored');
      const told = Object.entries({ before, during }).map(([name, { mysql, embedded, kafka }]) =>
        [name, ...[mysql, embedded, kafka].map(({ stored, slowestMs }) => `${stored}/${slowestMs.toFixed(0)} ms`)].join(
          ' ',
        ),
      );
      process.stdout.write(`stored/slowest on MySQL, embedded, Kafka: ${told.join(', ')}\n`);
      for (const name of ['mysql', 'embedded'] as const) {
        expect(during[name].stored).toBeGreaterThan(before[name].stored / 2);
        expect(during[name].slowestMs).toBeLessThan(before[name].slowestMs * NOISE_FACTOR + NOISE_MS);
      }
      expect(during.kafka.stored).toBeLessThan(before.kafka.stored / 2);
    },
  );
});
