import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  eventually,
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  SQL_SERVER_KINDS,
  temporaryDirectory,
} from '@hermes/testing';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

import { laneOf, StoreFixture } from './store-fixture.js';

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe.each(SQL_SERVER_KINDS)('a password that is changed on %s', (kind) => {
  it('is read anew for each connection: who is refused goes on once the file has the new one', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'password');
    const fixture = await StoreFixture.make(await sharedMysql(kind));
    const { options, environment } = fixture.database;
    const { host, port, user, password } = fixture.server;
    const root = await createConnection({ host, port, user, password });
    writeFileSync(path, `${environment['PASSWORD']}\n`);
    const engine = await fixture.engine({ server: { ...options, password: `file:${path}` } });
    const lane = laneOf(await fixture.opened(engine));
    expect(await lane.append(fixture.batch('before'))).toMatchObject({ kind: 'appended' });

    await root.query(`ALTER USER '${options.user}'@'%' IDENTIFIED BY 'another'`);
    // Those that are connected stay so, as long as nobody ends them.
    expect(await lane.append(fixture.batch('still'))).toMatchObject({ kind: 'appended' });
    const [rows] = await root.query<RowDataPacket[]>(
      `SELECT id AS id FROM information_schema.processlist WHERE user = '${options.user}'`,
    );
    for (const { id } of rows as { id: number }[]) {
      // It may have ended by itself meanwhile.
      await root.query(`KILL ${id}`).catch(() => undefined);
    }
    await expect(engine.look()).rejects.toThrow(/access denied/i);
    expect(engine.problem).toMatch(/access denied/i);
    expect((await lane.append(fixture.batch('refused'))).kind).not.toBe('appended');

    writeFileSync(path, 'another\n');
    await engine.look();
    expect(engine.problem).toBeUndefined();
    await eventually(async () => {
      expect(await lane.append(fixture.batch('after'))).toMatchObject({ kind: 'appended' });
    });
    await root.end();
    await fixture.dispose();
  });
});
