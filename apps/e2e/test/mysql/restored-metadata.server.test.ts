import { type Consumer, GroupMode, type Hermes, stringCodec } from '@hermes/client';
import { eventually, sharedMysql, type TestDatabase } from '@hermes/testing';

import { leaderOf } from '../harness/leader.js';
import { ask, laneTables, MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';
import { TOPIC, TopicLoad } from '../harness/topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };
const LEASE_TTL_MS = 4_000;
const EXCLUSIVE_GROUP = 'ledger';
/** Of leaders between the copy and its return. */
const TERMS = 2;

/** A copy of all tables of a database, kept in it. */
class Copy {
  private constructor(
    private readonly database: TestDatabase,
    private readonly tables: readonly string[],
  ) {}

  static async of(database: TestDatabase): Promise<Copy> {
    const tables = (await ask(database, 'SHOW TABLES')).map((row) => String(Object.values(row)[0]));
    for (const table of tables) {
      await ask(database, `CREATE TABLE copy_of_${table} AS SELECT * FROM ${table}`);
    }
    return new Copy(database, tables);
  }

  async restore(): Promise<void> {
    for (const table of this.tables) {
      await ask(this.database, `DELETE FROM ${table}`);
      await ask(this.database, `INSERT INTO ${table} SELECT * FROM copy_of_${table}`);
    }
  }
}

/** Consumers of an EXCLUSIVE group, one after the other, of the topic that the load publishes to. */
class Successors {
  #consumer: Consumer<string> | undefined;
  /** The highest token of each partition that the consumer of now was given. */
  readonly tokens = new Map<number, number>();

  constructor(private readonly hermes: Hermes) {}

  /** The consumer of before goes, and another one gets its partitions. */
  async next(): Promise<void> {
    await this.stop();
    this.tokens.clear();
    this.#consumer = this.hermes.consumer(TOPIC.topic, EXCLUSIVE_GROUP, { codec: stringCodec });
    void this.#consumer.run(({ partition, fencingToken }) => {
      this.tokens.set(partition, Math.max(fencingToken, this.tokens.get(partition) ?? 0));
    });
    await eventually(() => {
      expect([...this.tokens.keys()].sort()).toEqual([0, 1, 2, 3]);
    }, PATIENCE);
  }

  async stop(): Promise<void> {
    await this.#consumer?.drain({ deadlineMs: 5_000 });
  }
}

// On one of the servers: they differ in nothing that this is about, and it takes its time.
describe.each(['mariadb'] as const)('a metadata database on %s that is restored from an older copy', (kind) => {
  it('grants no epoch twice, neither to brokers nor to consumers; nothing that was acknowledged is lost', async () => {
    const server = await sharedMysql(kind);
    await using metadata = await server.createDatabase();
    await using data = await server.createDatabase();
    await using cluster = await MysqlCluster.startShared(metadata, { data, metaServers: 2, leaseTtlMs: LEASE_TTL_MS });
    const { hermes, processes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const epochs = async (): Promise<number[]> => {
      const partitions = (await placed(hermes, TOPIC.topic)).sort((a, b) => a.partition - b.partition);
      return partitions.map(({ epoch }) => epoch);
    };
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: EXCLUSIVE_GROUP, mode: GroupMode.EXCLUSIVE });
    const successors = new Successors(hermes);
    const copy = await Copy.of(metadata);
    // Terms of leaders, whose numbers those of consumers begin with.
    for (let term = 1; term <= TERMS; term += 1) {
      const { process } = await leaderOf(processes);
      await process.end('SIGTERM');
      await process.startReady();
    }
    await successors.next();
    for (const { name } of processes.brokers) {
      for (const { partition } of await placed(hermes, TOPIC.topic)) {
        await hermes.admin.movePartition(TOPIC.topic, partition, name);
      }
    }
    const latest = await epochs();
    await load.served();

    await Promise.all(processes.metas.map(({ process }) => process.end('SIGKILL')));
    await copy.restore();
    await Promise.all(processes.metas.map(({ process }) => process.startReady()));
    await load.served();
    await eventually(async () => {
      (await epochs()).forEach((epoch, partition) => {
        expect(epoch).toBeGreaterThan(latest[partition]!);
      });
    }, PATIENCE);
    const tokens = new Map(successors.tokens);
    await successors.next();
    for (const [partition, token] of tokens) {
      expect(successors.tokens.get(partition)).toBeGreaterThan(token);
    }
    await successors.stop();
    await load.check();
    // Each lane as it was written: no owner wrote behind a later one.
    for (const table of await laneTables(data)) {
      const epochsOf = `SELECT epoch, LAG(epoch) OVER (ORDER BY log_offset) AS earlier FROM ${table}`;
      expect(await ask(data, `SELECT * FROM (${epochsOf}) AS records WHERE epoch < earlier`)).toEqual([]);
    }
  });
});
