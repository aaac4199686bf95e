import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { PartitionStore } from '@hermes/log';
import { sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';
import { loadWithBug } from '@hermes/testing/planted-bug';

import { openKafkaEngine } from '../src/index.js';
import { type OpenEngine, textsOf, TwoOwners } from './two-owners.js';

jest.setTimeout(120_000);

/** Raced side by side: 60 take-overs in all. */
const PARTITIONS = 4;
const ROUNDS = 15;
const BATCH = 3;

/** An owner, and whether it holds its lease: what it is told afterwards, nobody hears of. */
interface Owner {
  readonly store: PartitionStore;
  isLeased: boolean;
  isWriting: boolean;
}

/** What owners have appended: acknowledged to publishers, or not. */
interface Told {
  readonly acknowledged: string[];
  readonly others: string[];
}

async function write(owners: TwoOwners, owner: Owner, told: Told): Promise<void> {
  const [log] = owner.store.lanes;
  for (let number = 0; owner.isWriting; number += 1) {
    const texts = Array.from({ length: BATCH }, (_, index) => `${owner.store.epoch}:${number}:${index}`);
    const answer = await log!.append(owners.batch(texts));
    const outcome = answer.kind === 'inDoubt' ? await answer.resolution : answer;
    expect(outcome.kind).toBe('appended');
    told[owner.isLeased ? 'acknowledged' : 'others'].push(...texts);
  }
}

async function untilMore(texts: readonly string[], count: number): Promise<void> {
  const before = texts.length;
  while (texts.length < before + count) {
    await sleep(1);
  }
}

/** Owners follow each other on one partition; each goes on writing for a while after the next has opened it. */
async function succeed(owners: TwoOwners, partition: number): Promise<void> {
  const told: Told = { acknowledged: [], others: [] };
  const open = async (epoch: number): Promise<Owner> => {
    const store = await owners.open({ partition, epoch, created: epoch > 1, incarnation: epoch });
    return { store, isLeased: true, isWriting: true };
  };
  let owner = await open(1);
  for (let epoch = 2; epoch <= ROUNDS + 1; epoch += 1) {
    const writing = write(owners, owner, told);
    await untilMore(told.acknowledged, 3 * BATCH);
    owner.isLeased = false;
    const next = await open(epoch);
    await untilMore(told.others, 2 * BATCH);
    owner.isWriting = false;
    await writing;
    await owner.store.close();
    owner = next;
  }
  await check(owners, owner, { partition, told });
}

async function check(
  owners: TwoOwners,
  owner: Owner,
  { partition, told }: { readonly partition: number; readonly told: Told },
): Promise<void> {
  const [log] = owner.store.lanes;
  const read = await textsOf(log!);
  expect(read).toHaveLength(new Set(read).size);
  const epochs = read.map((text) => Number(text.split(':')[0]));
  expect(epochs).toEqual([...epochs].sort((one, other) => one - other));
  const isAcknowledged = new Set(told.acknowledged);
  expect(read.filter((text) => isAcknowledged.has(text))).toEqual(told.acknowledged);
  // Each owner has written two batches at least behind the fence of the next.
  const fences = ROUNDS + 1;
  expect((await owners.stored(partition)) - fences - read.length).toBeGreaterThanOrEqual(ROUNDS * 2 * BATCH - BATCH);
  // Wherever a reader begins, it is given no other.
  const isRead = new Set(read);
  for (let from = log!.firstOffset; from < log!.nextOffset; from += 5) {
    const block = await log!.read(from, { maxRecords: 1, maxBytes: 1 });
    const texts = Array.from({ length: block.count }, (_, index) => Buffer.from(block.record(index)).toString());
    expect(texts.filter((text) => !isRead.has(text))).toEqual([]);
  }
}

async function race(open: OpenEngine): Promise<void> {
  await using owners = await TwoOwners.start(open);
  const races = await Promise.allSettled(Array.from({ length: PARTITIONS }, (_, nth) => succeed(owners, nth)));
  const failed = races.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}

describe('a stale owner of lanes in Kafka', () => {
  beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

  it(`what it appends behind the next one’s fence counts for nobody, what was acknowledged for all, ${PARTITIONS * ROUNDS} times`, () =>
    race(openKafkaEngine));

  it.each([
    ['its records count behind a fence', 'own-format.ts', 'header.epoch === epoch', 'true'],
    ['fences are not handed on', 'open-partition.ts', 'known.fences[lane] ?? []', '[]'],
  ])('the bug is found that %s', async (_, file, code, instead) => {
    const entry = join(__dirname, '../src/index.ts');
    const { openKafkaEngine: open } = loadWithBug(entry, { file, code, instead }) as { openKafkaEngine: OpenEngine };
    await expect(race(open)).rejects.toMatchObject({ matcherResult: { pass: false } });
  });
});
