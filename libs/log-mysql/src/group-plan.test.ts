import type { GroupChange } from '@hermes/delivery';
import fc from 'fast-check';

import { planSteps } from './group-plan.js';

/** The rows of one group as the changes leave them, one change after another. */
class Rows {
  exists = false;
  cursors = new Map<number, number>();
  retries = new Map<number, number>();
  deadLetters = new Set<number>();
  token = 0;

  create(floor: number): void {
    if (!this.exists) {
      this.exists = true;
      this.cursors.set(0, floor);
    }
  }

  delete(): void {
    this.exists = false;
    this.cursors.clear();
    this.token = 0;
  }

  moveCursor(lane: number, floor: number): void {
    if (this.exists) {
      this.cursors.set(lane, floor);
    }
  }

  hold(token: number): void {
    this.token = this.exists ? token : this.token;
  }
}

function applyOne(rows: Rows, change: GroupChange): void {
  switch (change.kind) {
    case 'created':
      rows.create(change.lanes[0]?.floor ?? 0);
      break;
    case 'deleted':
      rows.delete();
      break;
    case 'cursor':
      rows.moveCursor(change.cursor.lane, change.cursor.floor);
      break;
    case 'holder':
      rows.hold(change.token);
      break;
    case 'retry':
      rows.retries.set(change.entry.offset, change.entry.attempts);
      break;
    case 'retryDone':
      rows.retries.delete(change.offset);
      break;
    case 'deadLetter':
      rows.deadLetters.add(change.entry.offset);
      break;
    default:
      throw new Error(`${change.kind} is written by itself: the contract tests have it`);
  }
}

function applyPlanned(rows: Rows, changes: readonly GroupChange[]): void {
  for (const step of planSteps(changes)) {
    if (step.kind !== 'plan') {
      applyOne(rows, step);
      continue;
    }
    const { cursors, holders, deadLetters, retries } = step.plan;
    deadLetters.forEach(({ entry }) => rows.deadLetters.add(entry.offset));
    for (const { offset, entry } of retries.values()) {
      if (entry === undefined) {
        rows.retries.delete(offset);
      } else {
        rows.retries.set(offset, entry.attempts);
      }
    }
    for (const { value } of cursors.values()) {
      rows.moveCursor(value.lane, value.floor);
    }
    for (const { token } of holders.values()) {
      rows.hold(token);
    }
  }
}

const number = fc.nat(3);
const common = { dueAtMs: 1, strikes: 0, keyHash: 0, reason: '', generation: 0, lane: 0 };
const change: fc.Arbitrary<GroupChange> = fc.oneof(
  number.map((floor): GroupChange => ({ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor, settled: [] }] })),
  fc.constant<GroupChange>({ kind: 'deleted', groupId: 1 }),
  fc
    .tuple(number, number)
    .map(([lane, floor]): GroupChange => ({ kind: 'cursor', groupId: 1, cursor: { lane, floor, settled: [] } })),
  number.map((token): GroupChange => ({ kind: 'holder', groupId: 1, consumerEpoch: token, token })),
  fc
    .tuple(number, number)
    .map(([offset, attempts]): GroupChange => ({ kind: 'retry', groupId: 1, entry: { ...common, offset, attempts } })),
  number.map((offset): GroupChange => ({ kind: 'retryDone', groupId: 1, lane: 0, offset })),
  number.map((offset): GroupChange => {
    const entry = { ...common, offset, attempts: 1, cause: 1, diedAtMs: 1 } as const;
    return { kind: 'deadLetter', groupId: 1, entry };
  }),
);

describe('planSteps', () => {
  it('comes to the same as the changes one by one', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const [one, planned] = [new Rows(), new Rows()];
        for (const each of changes) {
          applyOne(one, each);
        }
        applyPlanned(planned, changes);
        expect(planned).toEqual(one);
      }),
    );
  });

  it('writes a row once that changes often', () => {
    const changes = Array.from({ length: 50 }, (_, index): GroupChange => {
      return { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: index, settled: [] } };
    });
    const [step, ...rest] = planSteps(changes);
    expect(rest).toEqual([]);
    expect(step?.kind === 'plan' ? step.plan.cursors.size : 0).toBe(1);
  });
});
