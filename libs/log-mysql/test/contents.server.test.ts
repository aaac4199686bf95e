import type { RetryEntry } from '@hermes/delivery';
import { AppendBatch } from '@hermes/log';
import { SHARED_SERVER_DEADLINE_MS, sharedMysql, SQL_SERVER_KINDS, type SqlServer } from '@hermes/testing';

import { LANE_TABLE, laneOf, StoreFixture } from './store-fixture.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

const HOSTILE = [`'); DROP TABLE retry; --`, `"\\'\``, 'a\u0000b', '👩‍👩‍👧 𝔘𝔫𝔦', '%_\n\r\t\u001a', '{"a":[1]}', ' ', ''];

describe.each(SQL_SERVER_KINDS)('contents on %s', (kind) => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await sharedMysql(kind);
  }, SHARED_SERVER_DEADLINE_MS);

  let fixture: StoreFixture;
  beforeEach(async () => {
    fixture = await StoreFixture.make(server);
  });
  afterEach(() => fixture.dispose());

  it('stay what they are: hostile text, every byte, ref keys of each length', async () => {
    const log = laneOf(await fixture.opened(await fixture.engine()));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const records = [...HOSTILE.map((text) => Buffer.from(text)), bytes].map((record, index) => ({
      ...{ record, keyHash: index },
      ...(index % 2 === 0 ? {} : { refKey: bytes.subarray(100, 100 + 16 * index) }),
    }));
    expect((await log.append(AppendBatch.pack(1, records))).kind).toBe('appended');
    const block = await log.read(0, { maxRecords: 100, maxBytes: 1024 * 1024 });
    const read = Array.from({ length: block.count }, (_, index) => Buffer.from(block.record(index)));
    expect(read).toEqual(records.map(({ record }) => record));
    const rows = await fixture.database.query(`SELECT ref_key FROM ${LANE_TABLE} WHERE kind = 0 ORDER BY log_offset`);
    expect(rows.map((row) => row['ref_key'])).toEqual(records.map((each) => ('refKey' in each ? each.refKey : null)));
  });

  it('of group state stay what they are', async () => {
    const { groupState } = await fixture.opened(await fixture.engine());
    const retries = HOSTILE.map((reason, offset): RetryEntry => {
      return {
        ...{ lane: 0, offset, dueAtMs: 1, attempts: 1, strikes: 0 },
        keyHash: 2 ** 32 - 1,
        reason,
        generation: 0,
      };
    });
    const outcome = await groupState.commit([
      { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] },
      ...retries.map((entry) => ({ kind: 'retry', groupId: 1, entry }) as const),
    ]);
    expect(outcome).toEqual({ kind: 'committed' });
    expect((await groupState.load(1))?.retries).toEqual(retries);
  });

  it('are refused for a while when another session holds the partition’s row', async () => {
    const engine = await fixture.engine();
    const { groupState } = await fixture.opened(engine);
    const created = { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] } as const;
    await fixture.database.query('START TRANSACTION');
    await fixture.database.query('SELECT * FROM partition_state FOR UPDATE');
    expect(await groupState.commit([created])).toMatchObject({ kind: 'refused', error: { kind: 'unavailable' } });
    await fixture.database.query('ROLLBACK');
    expect(await groupState.commit([created])).toEqual({ kind: 'committed' });
  });
});
