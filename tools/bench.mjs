// Measures Hermes beside the raw engine in the same run: `npm run bench -- [--quick] [--storage embedded|mysql|mariadb|kafka]
// [--json FILE] [--rows a,b] [--cpu-prof DIRECTORY]`. Prints a table; every figure is a ratio to what cannot be avoided.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { profileTo } from './bench/child.mjs';
import { startCluster } from './bench/cluster.mjs';
import { measureFsyncMs } from './bench/fsync.mjs';
import { limitOf, measurePart } from './bench/parts.mjs';
import { partsOf, prepareStorage, readIdleMemory, ROWS, rowsOf } from './bench/rows.mjs';
import { startStorage, STORAGES } from './bench/storages.mjs';

const FULL = { warmUpMs: 3_000, measureMs: 30_000 };
const QUICK = { warmUpMs: 1_000, measureMs: 4_000 };
/** Raw parts need less time than rows: they have no warm caches to speak of. */
const PART_SHARE = 1 / 4;

const log = (text) => process.stderr.write(`${text}\n`);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        storage: { type: 'string', default: 'embedded' },
        json: { type: 'string' },
        rows: { type: 'string' },
        'cpu-prof': { type: 'string' },
      },
    });
    if (!STORAGES.includes(values.storage)) {
      throw new Error(`unknown storage: ${values.storage}`);
    }
    const known = rowsOf(values.storage);
    const ids = values.rows?.split(',') ?? known;
    const unknown = ids.filter((id) => !known.includes(id));
    if (unknown.length > 0) {
      throw new Error(`${values.storage} has no rows ${unknown}, but ${known}`);
    }
    return { ...values, ids };
  } catch (error) {
    log(`bench: ${error.message}`);
    process.exit(64);
  }
}

async function measureParts(ids, { storage, directory, times }) {
  const needed = new Set(ids.flatMap((id) => partsOf(id, storage)));
  const parts = {};
  for (const part of needed) {
    log(`measuring ${part} alone …`);
    const measureMs = times.measureMs * PART_SHARE;
    parts[part] = await measurePart(part, { storage, directory, warmUpMs: times.warmUpMs, measureMs });
  }
  return parts;
}

async function measureRows(ids, { parts, ...context }) {
  const rows = [];
  for (const id of ids) {
    log(`measuring ${id} …`);
    const limit = limitOf(...partsOf(id, context.storage).map((part) => parts[part]));
    const measured = await ROWS[id].run({ ...context, limit });
    for (const row of [measured].flat()) {
      rows.push({ variant: context.storage.variant, reached: row.ratio >= row.goal, ...row });
    }
  }
  return rows;
}

const round = (value) => (value === undefined ? '' : value >= 100 ? String(Math.round(value)) : value.toFixed(2));

function print(rows, parts, fsyncMs, server) {
  log('');
  const cells = rows.map((row) => [
    row.id,
    row.variant,
    `${round(row.value)} ${row.unit}`,
    round(row.raw),
    round(row.ratio),
    ...(row.goal === undefined ? ['', ''] : [String(row.goal), row.reached ? 'yes' : 'NO']),
  ]);
  const table = [['row', 'variant', 'value', 'limit', 'ratio', 'goal', 'reached'], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  for (const line of table) {
    process.stdout.write(
      `${line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
  const alone = Object.entries(parts).map(([part, rate]) => `${part} ${Math.round(rate)}/s`);
  process.stdout.write(`\nalone: ${alone.join(', ')}; fsync p50 ${fsyncMs.toFixed(2)} ms\n`);
  const settings = Object.entries(server).map(([name, value]) => `${name}=${value}`);
  process.stdout.write(settings.length === 0 ? '' : `server: ${settings.join(', ')}\n`);
}

const options = readOptions();
const times = options.quick ? QUICK : FULL;
const directory = mkdtempSync(join(tmpdir(), 'hermes-bench-'));
const storage = await startStorage(options.storage);
try {
  const fsyncMs = measureFsyncMs(directory);
  const parts = await measureParts(options.ids, { storage, directory, times });
  const profile = options['cpu-prof'];
  if (profile !== undefined) {
    profileTo(profile);
  }
  const profileArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const cluster = await startCluster(directory, {
    brokerNodeArgs: profileArgs,
    brokerEnvironment: storage.brokerEnvironment,
  });
  const idle = await readIdleMemory(cluster);
  const context = { cluster, storage, directory, idle, parts, quick: options.quick, times, profileArgs };
  await prepareStorage(context);
  const rows = await measureRows(options.ids, context).finally(() => cluster.stop());
  print(rows, parts, fsyncMs, storage.settings);
  if (options.json !== undefined) {
    const machine = { cpu: cpus()[0].model, cores: cpus().length, node: process.version };
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
    const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim();
    const settings = { ...times, storage: storage.variant, server: storage.settings };
    const withCommand = rows.map((row) => ({ spread: null, ...row, command }));
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, commit, fsyncMs, settings, rows: withCommand }, null, 2)}\n`,
    );
  }
} finally {
  await storage.stop();
  rmSync(directory, { recursive: true, force: true });
}
