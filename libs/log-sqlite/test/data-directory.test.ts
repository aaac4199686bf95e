import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AppendBatch } from '@hermes/log';
import { temporaryDirectory } from '@hermes/testing';
import Database from 'better-sqlite3';

import { openEmbeddedEngine } from '../src/embedded-engine.js';
import { MIGRATIONS } from '../src/migrations.js';
import { openShardFile } from '../src/shard-file.js';
import { Shard } from '../src/shard.js';
import { failOnFatal } from './fail-on-fatal.js';

function open(directory: string, shards?: number): ReturnType<typeof openEmbeddedEngine> {
  return openEmbeddedEngine({ directory, onFatal: failOnFatal, ...(shards === undefined ? {} : { shards }) });
}

describe('data directory', () => {
  it('keeps its id and its number of shards', async () => {
    using directory = temporaryDirectory();
    const first = await open(directory.path, 3);
    await first.close();
    const again = await open(directory.path, 5);
    const settings = await again.settings();
    await again.close();
    expect([again.directoryId, settings.length]).toEqual([first.directoryId, 3]);
  });

  it('refuses a second opener, and lets it in once the first is closed', async () => {
    using directory = temporaryDirectory();
    const first = await open(directory.path);
    const second = await open(directory.path).catch((error: unknown) => error);
    await first.close();
    expect(second).toMatchObject({ kind: 'directoryHeld' });
    await (await open(directory.path)).close();
  });

  it('says that it cannot be made where a file is in its way', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'file');
    writeFileSync(path, '');
    await expect(open(path)).rejects.toMatchObject({ kind: 'directoryUnusable' });
  });

  it('refuses data of a newer program, naming both versions', async () => {
    using directory = temporaryDirectory();
    await (await open(directory.path)).close();
    const file = new Database(join(directory.path, 'shard-1.db'));
    file.pragma('user_version = 99');
    file.close();
    await expect(open(directory.path)).rejects.toMatchObject({
      kind: 'schemaNewer',
      details: { found: 99, known: MIGRATIONS.length },
    });
  });

  it('refuses a damaged directory.json and leaves it as it is', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'directory.json');
    writeFileSync(path, '{"id":');
    await expect(open(directory.path)).rejects.toMatchObject({ kind: 'dataLoss' });
    expect(readFileSync(path, 'utf8')).toBe('{"id":');
  });

  it('takes nothing of a transaction that finds the disk full, and goes on when there is space', () => {
    using directory = temporaryDirectory();
    const file = openShardFile(join(directory.path, 'shard-0.db'));
    const shard = new Shard(file);
    const request = { topicId: 1, partition: 0, epoch: 1, incarnation: 1, lanes: 1, created: false };
    const opened = shard.open(request, 1);
    const session = opened.kind === 'opened' ? opened.sessionId : 0;
    const truncate = { op: 'truncate', id: 1, session, lane: 0, offset: 0 } as const;
    const append = (id: number): Parameters<typeof shard.write>[0][number] => {
      const { buffer } = AppendBatch.pack(id, [{ record: Buffer.alloc(200_000), keyHash: 0 }]);
      return { op: 'append', id, session, lane: 0, appendId: id, count: 1, buffer, nowMs: 1 };
    };
    const pages = file.writer.pragma('page_count', { simple: true }) as number;
    file.writer.pragma(`max_page_count = ${pages + 2}`);
    expect(shard.write([truncate, append(2)])).toEqual([{ kind: 'full' }, { kind: 'full' }]);
    file.writer.pragma('max_page_count = 1000000');
    expect(shard.write([truncate, append(3)])).toEqual([{ kind: 'committed' }, { kind: 'appended' }]);
    expect(shard.session(session).lane(0).nextOffset).toBe(2);
    shard.close();
  });
});
