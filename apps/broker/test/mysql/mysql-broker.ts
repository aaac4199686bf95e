import { DataSource, HermesError, type Message, StorageClass, statusToError, type Topic } from '@hermes/contracts';
import { eventually, type SqlServer, type TestDatabase } from '@hermes/testing';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { BrokerFixture, message, type TestSubscriber } from '../broker-fixture.js';

const PASSWORD_VARIABLE = 'DATA_SOURCE_PASSWORD';
const GROUP = 'billing';
/** A broker notices what has changed, and opens its partitions again, within this time on a busy machine, too. */
const RECOVERY_DEADLINE_MS = 30_000;

/** A broker whose topics are stored on a MySQL server, and what its publishers were told. */
export class MysqlBroker implements AsyncDisposable {
  readonly #acknowledged = new Map<string, string[]>();

  private constructor(
    readonly server: SqlServer,
    readonly database: TestDatabase,
    readonly fixture: BrokerFixture,
  ) {}

  /** Starts one on an empty database of `server`; partitions that it gives back are granted again. */
  static async start(server: SqlServer): Promise<MysqlBroker> {
    const database = await server.createDatabase();
    const fixture = new BrokerFixture({ environment: { [PASSWORD_VARIABLE]: database.password } });
    fixture.meta.regrants = true;
    fixture.meta.catalog.dataSources.set(
      'db',
      DataSource.fromPartial({
        ...{ name: 'db', storageClass: StorageClass.MYSQL, endpoints: [`${database.host}:${database.port}`] },
        ...{ database: database.name, username: database.user, secret: `env:${PASSWORD_VARIABLE}` },
      }),
    );
    await fixture.start();
    return new MysqlBroker(server, database, fixture);
  }

  /** Makes a topic with a group that starts at its beginning. */
  async topic(name: string, fields: Partial<Topic> = {}): Promise<void> {
    await this.fixture.topic(name, { storageClass: StorageClass.MYSQL, ...fields });
    await this.fixture.group(name, GROUP);
  }

  /** The table of a topic's partition. */
  table(topic: string, partition = 0): string {
    return `t${this.fixture.meta.catalog.topic(topic).uid}_p${partition}_l0`;
  }

  /** Takes a partition away and grants it anew, so that nothing of it is in memory. */
  async reopen(topic: string, partition = 0): Promise<void> {
    const { meta } = this.fixture;
    meta.take(topic, partition);
    const { epoch } = meta.grant(topic, partition);
    await eventually(() => meta.isReady(topic, partition, epoch), { deadlineMs: RECOVERY_DEADLINE_MS });
  }

  /** Publishes one message: `stored`, or the code of its error. */
  async publish(topic: string, text: string, fields: Partial<Message> = {}, partition = 0): Promise<string> {
    try {
      const { results } = await this.fixture.publish({ topic, partition, messages: [message(text, fields)] });
      const outcome = results[0]?.outcome;
      if (outcome?.$case === 'error') {
        return statusToError(outcome.value).code;
      }
    } catch (error) {
      if (error instanceof HermesError) {
        return error.code;
      }
      throw error;
    }
    this.#acknowledged.set(topic, [...(this.#acknowledged.get(topic) ?? []), text]);
    return 'stored';
  }

  /** Publishes until it is told so; gives the different answers before. */
  async publishUntil(topic: string, wanted: string): Promise<string[]> {
    const seen = new Set<string>();
    let count = 0;
    await eventually(
      async () => {
        const answer = await this.publish(topic, `${wanted}-${(count += 1)}`);
        if (answer !== wanted) {
          seen.add(answer);
        }
        return answer === wanted;
      },
      { deadlineMs: RECOVERY_DEADLINE_MS },
    );
    return [...seen];
  }

  subscribe(topic: string): Promise<TestSubscriber> {
    return this.fixture.subscribe({ topic, group: GROUP }).opened();
  }

  /** Consumes a topic from where its group is: everything acknowledged is there, and all of it can be settled. */
  async consumeAll(topic: string): Promise<void> {
    const acknowledged = this.#acknowledged.get(topic) ?? [];
    const subscriber = await this.subscribe(topic);
    await eventually(
      () => {
        expect([...new Set(subscriber.texts)]).toEqual(expect.arrayContaining(acknowledged));
      },
      { deadlineMs: RECOVERY_DEADLINE_MS },
    );
    const settled = await subscriber.settle(subscriber.deliveries);
    expect(settled.filter((answer) => answer !== 'OK')).toEqual([]);
    subscriber.cancel();
    this.#acknowledged.set(topic, []);
  }

  /** Statements of an operator, in the broker's database. */
  async operate<T>(work: (query: (sql: string) => Promise<RowDataPacket[]>) => Promise<T>): Promise<T> {
    const { host, port, user, password } = this.server;
    const connection = await createConnection({ host, port, user, password, database: this.database.name });
    try {
      return await work(async (sql) => {
        const [rows] = await connection.query<RowDataPacket[]>(sql);
        return rows;
      });
    } finally {
      connection.destroy();
    }
  }

  /** Ends all connections of the broker, or only what they are doing. */
  async kill(what: 'CONNECTION' | 'QUERY'): Promise<void> {
    await this.operate(async (query) => {
      const rows = await query(`SELECT id FROM information_schema.processlist WHERE user = '${this.database.user}'`);
      for (const row of rows) {
        // It may have ended by itself meanwhile.
        await query(`KILL ${what} ${Number(Object.values(row)[0])}`).catch(() => undefined);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture.stop();
  }
}
