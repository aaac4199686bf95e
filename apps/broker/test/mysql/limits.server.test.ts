import { Durability, Outcome, StorageClass, statusToError } from '@hermes/contracts';
import { type OwnSqlServer, SHARED_SERVER_DEADLINE_MS, SQL_SERVER_KINDS, startMysql } from '@hermes/testing';
import { message } from '../broker-fixture.js';
import { MysqlBroker } from './mysql-broker.js';

const MIB = 1024 * 1024;

/** The smallest packets that both servers can be told to take are below a topic's largest message. */
const PACKET_BYTES = MIB;

/** Room for little beside the server's own files. */
const DISK = {
  mysql: { diskBytes: 400 * MIB, settings: { 'skip-log-bin': 'ON' } },
  // MariaDB ends when its redo log has no room: a small one has all of it soon.
  mariadb: { diskBytes: 400 * MIB, settings: { 'skip-log-bin': 'ON', 'innodb-log-file-size': '8M' } },
} as const;

/** As long as a row may be that stays within its page. */
const FILLER_CHARS = 4_000;

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe.each(SQL_SERVER_KINDS)('what a topic on %s can hold', (kind) => {
  let server: OwnSqlServer;
  let broker: MysqlBroker;
  beforeAll(async () => {
    server = await startMysql(kind, { settings: { 'max-allowed-packet': String(PACKET_BYTES) } });
    broker = await MysqlBroker.start(server);
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
    await server.stop();
  });

  it('one message too big for a packet among a hundred good ones fails alone', async () => {
    await broker.topic('big', { maxBodyBytes: 4 * MIB });
    const texts = Array.from({ length: 101 }, (_, nth) => (nth === 50 ? 'x'.repeat(2 * MIB) : `good ${nth}`));
    const { results } = await broker.fixture.publish({ topic: 'big', messages: texts.map((text) => message(text)) });
    const outcomes = results.map(({ outcome }) =>
      outcome?.$case === 'error' ? statusToError(outcome.value).code : outcome?.$case,
    );
    expect(outcomes).toEqual(texts.map((_, nth) => (nth === 50 ? 'MESSAGE_TOO_LARGE' : 'messageId')));
    const subscriber = await broker.subscribe('big');
    await subscriber.received(100);
    expect(subscriber.texts).toEqual(texts.filter((_, nth) => nth !== 50));
    subscriber.cancel();
  });

  it('a request above a packet is stored in several, in its order', async () => {
    await broker.topic('many');
    const texts = Array.from({ length: 12 }, (_, nth) => `${nth}:${'x'.repeat(300_000)}`);
    await broker.fixture.publishTexts('many', texts);
    const subscriber = await broker.subscribe('many');
    await subscriber.received(texts.length);
    expect(subscriber.texts).toEqual(texts);
    subscriber.cancel();
  });

  it('hostile text stays data: quotes, NUL, four-byte characters, the longest keys', async () => {
    await broker.topic('hostile');
    const hostile = `'; DROP TABLE partition_state; -- \0 \\ " \` 🦆 \u2028`;
    const keys = ['k'.repeat(255), "'", '\\', '🦆'.repeat(63), "x' OR '1'='1"];
    const messages = keys.map((key) =>
      message(hostile, { key, refKey: key.slice(0, 64), attributes: new Map([['a', hostile]]) }),
    );
    const { results } = await broker.fixture.publish({ topic: 'hostile', messages });
    expect(results.map(({ outcome }) => outcome?.$case)).toEqual(keys.map(() => 'messageId'));
    const subscriber = await broker.subscribe('hostile');
    const deliveries = await subscriber.received(keys.length);
    expect(deliveries.map(({ message: each }) => each?.key)).toEqual(keys);
    expect(deliveries.map(({ message: each }) => each?.attributes.get('a'))).toEqual(keys.map(() => hostile));
    expect(subscriber.texts).toEqual(keys.map(() => hostile));
    expect(await subscriber.settle(deliveries, { outcome: Outcome.DEAD_LETTER, reason: hostile })).toEqual(
      keys.map(() => 'OK'),
    );
    subscriber.cancel();
  });

  it('what a topic requires is refused where the server does not give it, and what it gives is told', async () => {
    const { fixture } = broker;
    await broker.topic('safe');
    await fixture.topic('quick', { storageClass: StorageClass.MYSQL, requiredDurability: Durability.BUFFERED });
    const durabilityOf = async (topic: string): Promise<string> => {
      const { results } = await fixture.publish({ topic, messages: [message('x')] });
      const [{ outcome, durability } = { outcome: undefined, durability: 0 }] = results;
      return outcome?.$case === 'error' ? statusToError(outcome.value).code : Durability[durability]!;
    };
    expect([await durabilityOf('safe'), await durabilityOf('quick')]).toEqual(['DURABLE', 'DURABLE']);
    await broker.operate((query) => query('SET GLOBAL innodb_flush_log_at_trx_commit = 2'));
    // Connections that are made anew look at what the server does.
    await broker.kill('CONNECTION');
    await broker.publishUntil('safe', 'DURABILITY_UNMET');
    expect([await durabilityOf('safe'), await durabilityOf('quick')]).toEqual(['DURABILITY_UNMET', 'BUFFERED']);
    await broker.operate((query) => query('SET GLOBAL innodb_flush_log_at_trx_commit = 1'));
    await broker.kill('CONNECTION');
    await broker.publishUntil('quick', 'stored');
    await broker.publishUntil('safe', 'stored');
  });
});

describe.each(SQL_SERVER_KINDS)('a full disk of %s', (kind) => {
  it('is told to publishers; nothing acknowledged is lost, and it goes on when there is room', async () => {
    await using server = await startMysql(kind, DISK[kind]);
    await using broker = await MysqlBroker.start(server);
    await broker.topic('orders');
    await broker.operate(async (query) => {
      await query(`CREATE TABLE filler (data VARCHAR(${FILLER_CHARS}))`);
      const rows = `SELECT REPEAT('x', ${FILLER_CHARS}) FROM information_schema.columns`;
      for (const limit of [500, 1]) {
        await expect(repeat(() => query(`INSERT INTO filler ${rows} LIMIT ${limit}`))).rejects.toMatchObject({
          code: 'ER_RECORD_FILE_FULL',
        });
      }
    });
    const answers = new Set<string>();
    for (let nth = 0; !answers.has('STORAGE_FULL') && nth < 10_000; nth += 1) {
      answers.add(await broker.publish('orders', `${nth}:${'x'.repeat(FILLER_CHARS)}`));
    }
    expect([...answers].sort()).toEqual(['STORAGE_FULL', 'stored']);
    await broker.operate((query) => query('DROP TABLE filler'));
    await broker.publishUntil('orders', 'stored');
    await broker.consumeAll('orders');
  });
});

/** Does it again until it fails. */
async function repeat(work: () => Promise<unknown>): Promise<never> {
  for (;;) {
    await work();
  }
}
