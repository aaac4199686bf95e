import { connect, type Delivery, GroupMode, type Hermes } from '@hermes/client';
import { createDeferred } from '@hermes/runtime';
import { sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';
import { type Connection, createConnection, type ResultSetHeader } from 'mysql2/promise';

import { Cluster } from '../harness/cluster.js';
import { codeBlocks } from '../harness/documents.js';

interface Booking {
  readonly account: string;
  readonly cents: number;
}

/** The statements of the guide: the table, and the write that is guarded. */
function statementsOfTheGuide(): [string, string] {
  const blocks = codeBlocks('docs/guide/exactly-once.md', 'sql');
  expect(blocks).toHaveLength(2);
  return blocks as [string, string];
}

describe.each(SQL_SERVER_KINDS)('the fencing token of a delivery, as the guide has it, on %s', (kind) => {
  it('keeps a consumer that was taken over from writing', async () => {
    const [table, guarded] = statementsOfTheGuide();
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await Cluster.start({ brokers: 1 });
    const clients = await Promise.all([1, 2].map(() => connect({ gateway: cluster.gatewayEndpoint })));
    const [first, second] = clients as [Hermes, Hermes];
    const { host, port, user, password, name } = database;
    const sql: Connection = await createConnection({ host, port, user, password, database: name });
    try {
      await sql.query(table);
      await sql.query(`INSERT INTO balance VALUES ('a', 0, 0)`);
      /** Whether the write counted. */
      const book = async ({ body, fencingToken }: Delivery<Booking>, cents: number): Promise<boolean> => {
        const [result] = await sql.execute<ResultSetHeader>(guarded, [cents, fencingToken, body.account, fencingToken]);
        return result.affectedRows === 1;
      };
      await first.admin.createTopic({ name: 'bookings', partitions: 1 });
      await first.admin.createGroup({ topic: 'bookings', name: 'ledger', mode: GroupMode.EXCLUSIVE });
      await first.producer<Booking>('bookings').publish({ account: 'a', cents: 5 });

      const [started, goOn] = [createDeferred<undefined>(), createDeferred<undefined>()];
      const [late, timely] = [createDeferred<boolean>(), createDeferred<boolean>()];
      const stalled = first.consumer<Booking>('bookings', 'ledger', { name: 'worker' }).run(async (delivery) => {
        started.resolve(undefined);
        await goOn.promise;
        late.resolve(await book(delivery, 1));
      });
      const ended = stalled.catch((error: unknown) => error);
      await started.promise;
      // Of two with one name the later one wins, though the earlier one is in the middle of its work.
      const successor = second.consumer<Booking>('bookings', 'ledger', { name: 'worker' });
      const running = successor.run(async (delivery) => {
        timely.resolve(await book(delivery, 2));
      });
      expect(await timely.promise).toBe(true);
      goOn.resolve(undefined);
      expect(await late.promise).toBe(false);
      expect(await ended).toMatchObject({ code: 'FENCED' });
      const [rows] = await sql.query('SELECT account, cents FROM balance');
      expect(rows).toMatchObject([{ account: 'a', cents: 2 }]);
      await successor.drain();
      await running;
    } finally {
      sql.destroy();
      await Promise.all(clients.map((client) => client.close()));
    }
  }, 60_000);
});
