import { type PartitionStore } from '@hermes/log';
import {
  SeededRandom,
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  SQL_SERVER_KINDS,
  type SqlServer,
} from '@hermes/testing';

import type { MysqlEngine } from '../src/index.js';
import { killSome, takeOver } from './racing-owners.js';
import { laneOf, StoreFixture } from './store-fixture.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

/** Raced side by side: 300 take-overs in all. */
const PARTITIONS = 5;
const ROUNDS = 60;

/** Records of one append: a batch that is cut in two would show. */
const BATCH = 3;

/** What an owner was told, per append. */
interface Told {
  readonly texts: readonly string[];
  readonly offsets: readonly number[] | undefined;
}

/** Appends without a pause until it is fenced or closed; what it was told of each append. */
async function writeUntilFenced(fixture: StoreFixture, store: PartitionStore): Promise<Told[]> {
  const told: Told[] = [];
  for (let number = 0; ; number += 1) {
    const texts = Array.from({ length: BATCH }, (_, index) => `${store.epoch}:${number}:${index}`);
    const answer = await laneOf(store).append(fixture.batch(...texts));
    const outcome = answer.kind === 'inDoubt' ? await answer.resolution : answer;
    told.push({ texts, offsets: outcome.kind === 'appended' ? [...outcome.block.columns.offsets] : undefined });
    if (outcome.kind === 'fenced') {
      return told;
    }
    if (outcome.kind === 'refused' && outcome.error.kind !== 'unavailable') {
      throw outcome.error;
    }
  }
}

async function check(fixture: StoreFixture, partition: number, told: readonly Told[]): Promise<void> {
  const rows = await fixture.rows(`t7_p${partition}_l0`);
  expect(rows.map(({ offset }) => offset)).toEqual(rows.map((_, index) => index));
  const epochs = rows.map(({ epoch }) => epoch);
  expect(epochs).toEqual([...epochs].sort((one, other) => one - other));
  const textAt = new Map(rows.map(({ offset, text }) => [offset, text]));
  const messages = rows.filter(({ kind }) => kind === 0).map(({ text }) => text);
  const acknowledged = told.filter(({ offsets }) => offsets !== undefined);
  expect(acknowledged.flatMap(({ offsets = [] }) => offsets.map((offset) => textAt.get(offset)))).toEqual(
    acknowledged.flatMap(({ texts }) => texts),
  );
  expect(messages).toEqual(acknowledged.flatMap(({ texts }) => texts));
}

describe.each(SQL_SERVER_KINDS)('take-over on %s from an owner that never stops writing', (kind) => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await sharedMysql(kind);
  }, SHARED_SERVER_DEADLINE_MS);

  const race = async (isolation: 'READ COMMITTED' | 'REPEATABLE READ', isCutting: boolean): Promise<void> => {
    const fixture = await StoreFixture.make(server);
    const random = new SeededRandom(20_261_125);
    try {
      const engines: MysqlEngine[] = [await fixture.engine({ isolation }), await fixture.engine({ isolation })];
      await Promise.all(
        Array.from({ length: PARTITIONS }, async (_, partition) => {
          const told: Told[] = [];
          let owner = await takeOver(fixture, engines[0]!, partition, 1);
          for (let round = 1; round <= ROUNDS; round += 1) {
            const writing = writeUntilFenced(fixture, owner);
            if (isCutting && partition === 0 && round % 3 === 0) {
              await killSome(fixture, random);
            }
            const next = await takeOver(fixture, engines[round % 2]!, partition, owner.epoch + 1);
            told.push(...(await writing));
            await owner.close();
            owner = next;
          }
          await check(fixture, partition, told);
          expect(told.filter(({ offsets }) => offsets !== undefined).length).toBeGreaterThan(ROUNDS / 2);
        }),
      );
    } finally {
      await fixture.dispose();
    }
  };

  it.each(['READ COMMITTED', 'REPEATABLE READ'] as const)(
    `loses nothing, leaves no gap, and nothing is written after a fence, ${PARTITIONS * ROUNDS} times (%s)`,
    (isolation) => race(isolation, false),
    600_000,
  );

  it(
    `tells the truth of every append while connections are cut, ${PARTITIONS * ROUNDS} times`,
    () => race('READ COMMITTED', true),
    600_000,
  );
});
