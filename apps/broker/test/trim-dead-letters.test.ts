import { type DeadLetterEntry } from '@hermes/delivery';
import { createLogger } from '@hermes/kit';
import { type Partition } from '../src/partition/partition.js';
import { type DeadLetterLimits, trimDeadLetters } from '../src/retention/trim-dead-letters.js';
import { OwnershipFixture } from './ownership-fixture.js';

const HOUR_MS = 3_600_000;
/** More than one transaction drops. */
const MANY = 2_500;
const MANY_HOURS = (MANY + 1) * HOUR_MS;

const fixture = new OwnershipFixture();
const lines: string[] = [];
const logger = createLogger({ component: 'broker', level: 'warn', destination: { write: (line) => lines.push(line) } });
let dropped = 0;
let partition: Partition;
let offsets: number[];

beforeAll(async () => {
  await fixture.start();
  partition = await fixture.servesOrders();
  const records = Array.from({ length: MANY }, (_, nth) => ({ record: Buffer.from(`${nth}`), keyHash: 0 }));
  const first = partition.lanes[0]!.log.nextOffset;
  await partition.lanes[0]!.appender.append(records, Infinity);
  offsets = records.map((_, nth) => first + nth);
});
afterAll(() => fixture.stop());

/** As many dead letters, each an hour older than the next. */
async function bury(count: number): Promise<void> {
  const nowMs = partition.timeMs();
  const entry = { lane: 0, generation: 0, attempts: 1, cause: 1, reason: '', keyHash: 0 } as const;
  const entries = offsets.slice(0, count).map((offset, nth): DeadLetterEntry => {
    return { ...entry, offset, diedAtMs: nowMs - (count - nth) * HOUR_MS };
  });
  const { id: groupId } = partition.group('a')!.settings;
  await partition.commit(entries.map((each) => ({ kind: 'deadLetter', groupId, entry: each })));
}

async function trim(limits: DeadLetterLimits): Promise<void> {
  const counters = { trimmedDeadLetters: (messages: number) => (dropped += messages) };
  await trimDeadLetters(partition, { counters, logger, limits });
}

async function left(): Promise<number[]> {
  const range = { from: { lane: 0, offset: 0, generation: 0 }, maxRecords: MANY, maxBytes: 1_000_000 };
  const { id } = partition.group('a')!.settings;
  return (await partition.groupState.deadLetters(id, range)).map(({ offset }) => offset);
}

test('dead letters are dropped, counted and told once they are too old, or the oldest ones of too many', async () => {
  await bury(10);
  await trim({ ageMs: 20 * HOUR_MS, countMax: 10 });
  expect(await left()).toEqual(offsets.slice(0, 10));
  expect([dropped, lines]).toEqual([0, []]);
  await trim({ ageMs: 7.5 * HOUR_MS, countMax: 10 });
  expect(await left()).toEqual(offsets.slice(3, 10));
  await trim({ ageMs: 20 * HOUR_MS, countMax: 2 });
  expect(await left()).toEqual(offsets.slice(8, 10));
  expect(dropped).toBe(8);
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { group: 'a', messages: 3 },
    { group: 'a', messages: 5 },
  ]);
});

test('thousands go in steps', async () => {
  dropped = 0;
  await bury(MANY);
  await trim({ ageMs: MANY_HOURS, countMax: MANY - 1_200 });
  expect(dropped).toBe(1_200);
  await trim({ ageMs: HOUR_MS / 2, countMax: MANY });
  expect(await left()).toEqual([]);
});
