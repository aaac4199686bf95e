import { DEAD_LETTER_CAUSE, type GroupChange, type GroupSnapshot } from '@hermes/delivery';
import { type PartitionStore } from '@hermes/log';
import { SHARED_SERVER_DEADLINE_MS, sharedMysql, SQL_SERVER_KINDS, type SqlServer } from '@hermes/testing';

import { killSome, takeOver } from './racing-owners.js';
import { laneOf, StoreFixture } from './store-fixture.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

const TAKE_OVERS = 100;
const GROUP = 1;
/** The lane's records, settled over and over. */
const RECORDS = 64;

/** The offset of the record that a step settles; the fence of the first owner is below them all. */
function recordOf(number: number): number {
  return 1 + (number % RECORDS);
}

/** The numbered step of a group's life: its floor goes on, one message is retried, the one before it dies. */
function step(number: number): GroupChange[] {
  const [offset, before] = [recordOf(number), recordOf(number - 1)];
  const row = { lane: 0, attempts: number, strikes: 0, keyHash: 0, reason: `step ${number}`, generation: 0 };
  return [
    { kind: 'cursor', groupId: GROUP, cursor: { lane: 0, floor: number, settled: [] } },
    { kind: 'retryDone', groupId: GROUP, lane: 0, offset: before },
    { kind: 'retry', groupId: GROUP, entry: { ...row, offset, dueAtMs: number } },
    {
      kind: 'deadLetter',
      groupId: GROUP,
      entry: { ...row, offset: before, cause: DEAD_LETTER_CAUSE.attempts, diedAtMs: number, generation: number },
    },
  ];
}

/** The last step that is stored, which is whole. */
function stepOf(snapshot: GroupSnapshot): number {
  const floor = snapshot.lanes[0]?.floor ?? -1;
  const retries = snapshot.retries.map(({ offset, attempts, reason }) => ({ offset, attempts, reason }));
  expect(retries).toEqual(floor === 0 ? [] : [{ offset: recordOf(floor), attempts: floor, reason: `step ${floor}` }]);
  return floor;
}

/** Settles without a pause until it is fenced; the last step that it was told is stored. */
async function settleUntilFenced({ groupState }: PartitionStore, last: number): Promise<number> {
  let acknowledged = last;
  for (let number = last + 1; ;) {
    const answer = await groupState.commit(step(number));
    const outcome = answer.kind === 'inDoubt' ? await answer.resolution : answer;
    if (outcome.kind === 'fenced') {
      return acknowledged;
    }
    if (outcome.kind === 'committed') {
      acknowledged = number;
      number += 1;
    } else if (outcome.kind === 'refused' && outcome.error.kind !== 'unavailable') {
      throw outcome.error;
    }
  }
}

async function load({ groupState }: PartitionStore): Promise<GroupSnapshot> {
  const snapshot = await groupState.load(GROUP);
  if (snapshot === undefined) {
    throw new Error('the group is gone');
  }
  return snapshot;
}

describe.each(SQL_SERVER_KINDS)('take-over on %s from an owner that never stops settling', (kind) => {
  let server: SqlServer;
  beforeAll(async () => {
    server = await sharedMysql(kind);
  }, SHARED_SERVER_DEADLINE_MS);

  it.each([
    ['', false],
    [' while connections are cut', true],
  ] as const)(
    `undoes no settle that was acknowledged, writes none twice, and none from the old owner, ${TAKE_OVERS} times%s`,
    async (_, isCutting) => {
      const fixture = await StoreFixture.make(server);
      try {
        const engines = [await fixture.engine(), await fixture.engine()] as const;
        let owner = await takeOver(fixture, engines[0], 0, 1);
        await laneOf(owner).append(fixture.batch(...Array.from({ length: RECORDS }, () => 'x')));
        await owner.groupState.commit([
          { kind: 'created', groupId: GROUP, lanes: [{ lane: 0, floor: 0, settled: [] }] },
        ]);
        let known = 0;
        for (let round = 1; round <= TAKE_OVERS; round += 1) {
          const settling = settleUntilFenced(owner, known);
          if (isCutting && round % 3 === 0) {
            await killSome(fixture);
          }
          const next = await takeOver(fixture, engines[round % 2 === 0 ? 0 : 1], 0, owner.epoch + 1);
          const found = stepOf(await load(next));
          // The last one may be stored though its connection, or its owner, ended before the answer.
          const acknowledged = await settling;
          expect([acknowledged, acknowledged + 1]).toContain(found);
          await owner.close();
          [owner, known] = [next, found];
        }
        expect(known).toBeGreaterThan(TAKE_OVERS / 2);
        // One dead letter per step: none is missing, and none would fit twice.
        expect(await owner.groupState.counts(GROUP)).toEqual({ retries: 1, deadLetters: [known] });
      } finally {
        await fixture.dispose();
      }
    },
    600_000,
  );
});
