import { StorageClass } from '@hermes/contracts';
import {
  eventually,
  type OwnSqlServer,
  SHARED_SERVER_DEADLINE_MS,
  SQL_SERVER_KINDS,
  startMysql,
} from '@hermes/testing';
import { type TestSubscriber } from '../broker-fixture.js';
import { MysqlBroker } from './mysql-broker.js';

const PARTITIONS = 1_000;
/** Connections of a broker to one server, of all kinds. */
const CONNECTIONS_MAX = 26;
const MESSAGES = 500;
/** What a broker asks of a server for itself: its clock, now and then. */
const OWN_SELECTS_MAX = 10;

/** To look costs a walk over all partitions. */
const OPENING = { deadlineMs: 120_000, intervalMs: 200 };
/** A thousand publishers that ask again and again would keep a busy machine from opening what they wait for. */
const STORING = { deadlineMs: 120_000, intervalMs: 2_000 };
/** As the meta-server grants by default: the fixture's short one would end while a busy machine opens so many. */
const TTL_MS = 10_000;

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

/** A counter of the server's own. */
async function counter(broker: MysqlBroker, name: string): Promise<number> {
  const [row] = await broker.operate((query) => query(`SHOW GLOBAL STATUS LIKE '${name}'`));
  return Number(row?.['Value']);
}

describe.each(SQL_SERVER_KINDS)('the load that a broker puts on %s', (kind) => {
  let server: OwnSqlServer;
  beforeAll(async () => {
    // Its own: the server's counters count what other tests do, too.
    server = await startMysql(kind);
  }, SHARED_SERVER_DEADLINE_MS);
  afterAll(() => server.stop());

  it.each([1, 10])('tailing by %d groups causes no SELECT', async (groups) => {
    await using broker = await MysqlBroker.start(server);
    await broker.topic('orders');
    const subscribers: TestSubscriber[] = [];
    for (let nth = 0; nth < groups; nth += 1) {
      await broker.fixture.group('orders', `group-${nth}`);
      subscribers.push(await broker.fixture.subscribe({ topic: 'orders', group: `group-${nth}` }).opened());
    }
    const before = await counter(broker, 'Com_select');
    for (let nth = 1; nth <= MESSAGES; nth += 1) {
      await broker.publish('orders', `message ${nth}`);
      if (nth % 100 === 0) {
        await Promise.all(
          subscribers.map(async (subscriber) => {
            const deliveries = await subscriber.received(nth);
            await subscriber.settle(deliveries.slice(nth - 100, nth));
          }),
        );
      }
    }
    expect((await counter(broker, 'Com_select')) - before).toBeLessThanOrEqual(OWN_SELECTS_MAX);
  });

  it(`${PARTITIONS} partitions have bounded connections and statements, and are opened again quickly`, async () => {
    await using broker = await MysqlBroker.start(server);
    const { fixture } = broker;
    fixture.meta.ttlMs = TTL_MS;
    /** Until all partitions are served, from now. */
    const openedMs = async (): Promise<number> => {
      const sinceMs = performance.now();
      await eventually(async () => (await fixture.metric('hermes_broker_partitions_open')) === PARTITIONS, OPENING);
      return performance.now() - sinceMs;
    };
    fixture.meta.addTopic('wide', { storageClass: StorageClass.MYSQL, partitions: PARTITIONS });
    fixture.meta.grantAll('wide');
    const madeMs = await openedMs();
    // What a stopping broker gives back is granted to the next one, at once.
    fixture.meta.regrants = false;
    await fixture.stopBroker();
    fixture.meta.grantAll('wide');
    await fixture.startBroker();
    const againMs = await openedMs();
    fixture.meta.regrants = true;
    process.stdout.write(
      `${kind}: ${PARTITIONS} partitions made in ${madeMs.toFixed(0)} ms, opened again in ${againMs.toFixed(0)} ms\n`,
    );
    // All at once. A busy machine's disk may take longer than a commit is waited for: such a partition moves, and is back.
    await Promise.all(
      Array.from({ length: PARTITIONS }, (_, partition) =>
        eventually(async () => {
          expect(await broker.publish('wide', `to ${partition}`, {}, partition)).toBe('stored');
        }, STORING),
      ),
    );
    const connections = await broker.operate((query) =>
      query(`SELECT id FROM information_schema.processlist WHERE user = '${broker.database.user}'`),
    );
    expect(connections.length).toBeLessThanOrEqual(CONNECTIONS_MAX);
    const [limit] = await broker.operate((query) => query('SELECT @@max_prepared_stmt_count AS max'));
    expect(await counter(broker, 'Prepared_stmt_count')).toBeLessThanOrEqual(Number(limit?.['max']) / 2);
  });
});
