import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { MessageLog } from '@hermes/log';
import { SeededRandom, temporaryDirectory } from '@hermes/testing';
import Database from 'better-sqlite3';

import { openEmbeddedEngine } from '../src/embedded-engine.js';
import { failOnFatal } from './fail-on-fatal.js';

const ROUNDS = 20;
const PARTITIONS = [0, 1];

/** Acknowledgements of one run before the kill. */
const ACKNOWLEDGED_MAX = 120;

/** What children were told is durable, per partition. */
interface Acknowledged {
  readonly records: Map<number, string>;
  floor: number;
}

/** Runs a child until it has printed `lines` lines, kills it, and notes what it had printed. */
async function runAndKill(directory: string, epoch: number, lines: number, told: Acknowledged[]): Promise<void> {
  const script = join(__dirname, 'append-until-killed.mjs');
  const child = spawn(process.execPath, [script, directory, String(epoch)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    seen += 1;
    if (seen === lines) {
      child.kill('SIGKILL');
    }
    note(line, told);
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
}

function note(line: string, told: Acknowledged[]): void {
  const [what, partition, number, ...texts] = line.split(' ');
  const acknowledged = told[Number(partition)]!;
  if (what === 'opened') {
    expect(Number(number)).toBeGreaterThanOrEqual(acknowledged.floor);
  } else if (what === 'settled') {
    acknowledged.floor = Number(number);
  } else {
    texts.forEach((text, index) => acknowledged.records.set(Number(number) + index, text));
  }
}

async function readAll(log: MessageLog): Promise<Map<number, string>> {
  const records = new Map<number, string>();
  for (let next = 0; next < log.nextOffset;) {
    const block = await log.read(next, { maxRecords: 1_000, maxBytes: 1024 * 1024 });
    for (let index = 0; index < block.count; index += 1) {
      records.set(block.offset(index), Buffer.from(block.record(index)).toString().replace(/\.+$/, ''));
    }
    next = block.nextOffset;
  }
  return records;
}

/** [offset, epoch] of every row, fences too. */
function rows(directory: string, partition: number): [number, number][] {
  const file = new Database(join(directory, `shard-${(1 + partition) % 2}.db`), { readonly: true });
  const found = file.prepare(`SELECT log_offset, epoch FROM t1_p${partition}_l0 ORDER BY log_offset`).raw().all();
  file.close();
  return found as [number, number][];
}

describe('a process that is killed in the middle of writes', () => {
  it(`has lost nothing acknowledged, ${ROUNDS} times`, async () => {
    using directory = temporaryDirectory();
    const random = new SeededRandom(20_261_124);
    const told: Acknowledged[] = PARTITIONS.map(() => ({ records: new Map(), floor: 0 }));
    for (let epoch = 1; epoch <= ROUNDS; epoch += 1) {
      await runAndKill(directory.path, epoch, 3 + Math.floor(random.next() * ACKNOWLEDGED_MAX), told);
    }
    const engine = await openEmbeddedEngine({ directory: directory.path, onFatal: failOnFatal });
    for (const partition of PARTITIONS) {
      const request = { topicId: 1, partition, epoch: ROUNDS + 1, incarnation: 1, lanes: 1, created: true };
      const outcome = await engine.openPartition(request);
      expect(outcome.kind).toBe('opened');
      if (outcome.kind === 'opened') {
        const { records, floor } = told[partition]!;
        const stored = await readAll(outcome.store.lanes[0]!);
        expect([...records].filter(([offset, text]) => stored.get(offset) !== text)).toEqual([]);
        expect(new Set(stored.values()).size).toBe(stored.size);
        expect((await outcome.store.groupState.load(1))?.lanes[0]?.floor).toBeGreaterThanOrEqual(floor);
      }
    }
    await engine.close();
    for (const partition of PARTITIONS) {
      const found = rows(directory.path, partition);
      expect(found.map(([offset]) => offset)).toEqual(found.map((_, index) => index));
      expect(found.map(([, epoch]) => epoch)).toEqual(found.map(([, epoch]) => epoch).sort((a, b) => a - b));
    }
  }, 180_000);
});
