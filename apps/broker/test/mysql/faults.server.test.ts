import {
  eventually,
  type OwnSqlServer,
  SHARED_SERVER_DEADLINE_MS,
  SQL_SERVER_KINDS,
  startMysql,
} from '@hermes/testing';
import { createConnection } from 'mysql2/promise';
import { MysqlBroker } from './mysql-broker.js';

/** What callers are told while a server cannot be reached or takes no writes: try again, or ask what came of it. */
const UNREACHABLE = ['STORAGE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'PARTITION_MOVING', 'BACKPRESSURE'];

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe.each(SQL_SERVER_KINDS)('a broker on %s', (kind) => {
  let server: OwnSqlServer;
  let broker: MysqlBroker;
  beforeAll(async () => {
    server = await startMysql(kind);
    broker = await MysqlBroker.start(server);
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
    await server.stop();
  });

  /** A topic that has taken a message. */
  async function usedTopic(name: string, partitions = 1): Promise<string> {
    await broker.topic(name, { partitions });
    expect(await broker.publish(name, 'before')).toBe('stored');
    return name;
  }

  it('goes on by itself after its server was killed and started again', async () => {
    const topic = await usedTopic('killed');
    await server.kill();
    expect(UNREACHABLE).toContain(await broker.publish(topic, 'meanwhile'));
    await server.restart();
    await broker.publishUntil(topic, 'stored');
    await broker.consumeAll(topic);
  });

  it('answers within the caller’s deadline while its server stands still, and goes on after it', async () => {
    const topic = await usedTopic('paused');
    await server.pause();
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => broker.publish(topic, text)));
    expect(answers.filter((answer) => ![...UNREACHABLE, 'DEADLINE_EXCEEDED'].includes(answer))).toEqual([]);
    await server.resume();
    await broker.publishUntil(topic, 'stored');
    await broker.consumeAll(topic);
  });

  it('tells the meta-server while its server answers nothing, and that it answers again', async () => {
    await usedTopic('told');
    const told = (unreachable: boolean): Promise<void> =>
      eventually(
        () => {
          expect(broker.report?.unreachable).toBe(unreachable);
          expect(broker.report?.problem !== '').toBe(unreachable);
        },
        { deadlineMs: 30_000 },
      );
    await told(false);
    await server.pause();
    await told(true);
    await server.resume();
    await told(false);
    await server.kill();
    await told(true);
    await server.restart();
    await told(false);
  });

  it('goes on by itself after all connections of the server were taken by others', async () => {
    const topic = await usedTopic('crowded');
    await broker.operate(async (query) => {
      const [before] = await query('SELECT @@max_connections AS max');
      await query('SET GLOBAL max_connections = 10');
      const { host, port, user, password } = broker.database;
      const others = [];
      while (others.length < 10) {
        await broker.kill('CONNECTION').catch(() => undefined);
        others.push(await createConnection({ host, port, user, password }).catch(() => undefined));
      }
      await broker.kill('CONNECTION').catch(() => undefined);
      await query(`SET GLOBAL max_connections = ${Number(before!['max'])}`);
      others.forEach((other) => {
        other?.destroy();
      });
    });
    await broker.publishUntil(topic, 'stored');
    await broker.consumeAll(topic);
  });

  it('refuses publishes while its server is read-only, and takes them when it is no more', async () => {
    const topic = await usedTopic('read-only');
    await broker.operate((query) => query('SET GLOBAL read_only = ON'));
    expect(await broker.publish(topic, 'meanwhile')).toBe('STORAGE_UNAVAILABLE');
    const subscriber = await broker.subscribe(topic);
    await subscriber.received(1);
    expect(await subscriber.settle(subscriber.deliveries)).toEqual(['STORAGE_UNAVAILABLE']);
    await broker.operate((query) => query('SET GLOBAL read_only = OFF'));
    await broker.publishUntil(topic, 'stored');
    subscriber.cancel();
    await eventually(async () => {
      const { lanes } = await broker.fixture.describeGroup(topic, 'billing');
      // It was decided, and is written once it can be.
      expect(lanes[0]?.floor).toBeGreaterThan(subscriber.offsets[0]!);
    });
  });

  it('waits for another session’s lock, then says so, and goes on when it is gone', async () => {
    const topic = await usedTopic('locked');
    const subscriber = await broker.subscribe(topic);
    await subscriber.received(1);
    await broker.operate(async (query) => {
      await query('START TRANSACTION');
      await query('SELECT * FROM partition_state FOR UPDATE');
      expect(await subscriber.settle(subscriber.deliveries)).toEqual(['STORAGE_UNAVAILABLE']);
      expect(await broker.publish(topic, 'nobody locks the log')).toBe('stored');
      await query('ROLLBACK');
      await query(`LOCK TABLES ${broker.table(topic)} READ`);
      expect(await broker.publish(topic, 'locked')).toBe('STORAGE_UNAVAILABLE');
    });
    await broker.publishUntil(topic, 'stored');
    subscriber.cancel();
    await eventually(async () => {
      const { lanes } = await broker.fixture.describeGroup(topic, 'billing');
      expect(lanes[0]?.floor).toBeGreaterThan(subscriber.offsets[0]!);
    });
  });

  it.each(['QUERY', 'CONNECTION'] as const)(
    'loses nothing while an operator ends each %s that it has',
    async (what) => {
      const topic = await usedTopic(`kill-${what.toLowerCase()}`, 2);
      const answers = new Set<string>();
      let isOver = false;
      const load = [0, 1].map(async (partition) => {
        for (let count = 0; !isOver; count += 1) {
          answers.add(await broker.publish(topic, `${partition}-${count}`, {}, partition));
        }
      });
      for (let round = 0; round < 20; round += 1) {
        await broker.kill(what);
      }
      isOver = true;
      await Promise.all(load);
      expect([...answers].filter((answer) => ![...UNREACHABLE, 'stored'].includes(answer))).toEqual([]);
      await broker.publishUntil(topic, 'stored');
      await broker.consumeAll(topic);
    },
  );

  it('says that data is lost where a table is gone, makes nothing anew, and serves the other partitions', async () => {
    const topic = await usedTopic('gone', 2);
    await broker.operate((query) => query(`DROP TABLE ${broker.table(topic, 0)}`));
    expect(await broker.publish(topic, 'nowhere', {}, 0)).toBe('RECORD_CORRUPT');
    expect(await broker.publish(topic, 'elsewhere', {}, 1)).toBe('stored');
    broker.fixture.meta.take(topic, 0);
    broker.fixture.meta.grant(topic, 0);
    await broker.publishUntil(topic, 'RECORD_CORRUPT');
    expect(await broker.fixture.metric('hermes_broker_partitions_quarantined')).toBe(1);
    expect(await broker.operate((query) => query(`SHOW TABLES LIKE '${broker.table(topic, 0)}'`))).toEqual([]);
  });

  it('delivers nothing that was changed in its table, and says so', async () => {
    const topic = await usedTopic('flipped');
    await broker.publish(topic, 'damaged');
    await broker.publish(topic, 'after');
    await broker.operate(async (query) => {
      const table = broker.table(topic);
      const [row] = await query(`SELECT log_offset FROM ${table} WHERE kind = 0 LIMIT 1 OFFSET 1`);
      await query(
        `UPDATE ${table} SET record = CONCAT(LEFT(record, LENGTH(record) - 1), 'X') WHERE log_offset = ${Number(row!['log_offset'])}`,
      );
    });
    await broker.reopen(topic);
    const subscriber = broker.fixture.subscribe({ topic, group: 'billing' });
    await subscriber.failed('RECORD_CORRUPT');
    expect(subscriber.texts.filter((text) => text.startsWith('damage'))).toEqual([]);
  });

  it('opens its partitions at a new epoch when another server, or a restored one, answers', async () => {
    const topic = await usedTopic('restored');
    await broker.operate((query) => query("UPDATE hermes_store SET id = 'another'"));
    await broker.kill('CONNECTION');
    await broker.publishUntil(topic, 'stored');
    await eventually(async () => (await broker.fixture.metric('hermes_broker_data_source_server_changes')) > 0);
    expect(broker.fixture.meta.released.map(({ topic: name }) => name)).toContain(topic);
    await broker.consumeAll(topic);
  });

  it('counts what an older copy lacks, and gives no offset twice', async () => {
    const topic = await usedTopic('older');
    const ids = await broker.fixture.publishTexts(topic, ['kept', 'lost', 'lost too']);
    const lost = Number(ids[1]?.split('/')[3]);
    await broker.operate((query) => query(`DELETE FROM ${broker.table(topic)} WHERE log_offset >= ${lost}`));
    await broker.kill('CONNECTION');
    await broker.publishUntil(topic, 'stored');
    const [id = ''] = await broker.fixture.publishTexts(topic, ['after']);
    expect(Number(id.split('/')[3])).toBeGreaterThan(lost + 1);
    expect(await broker.fixture.metric('hermes_broker_log_lost_records')).toBe(2);
  });
});
