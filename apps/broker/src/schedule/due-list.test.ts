import { type ScheduledRecord } from '@hermes/log';
import fc from 'fast-check';

import { DueList } from './due-list.js';

const record = (scheduleId: number, dueAtMs: number, lane = 0): ScheduledRecord => ({
  ...{ scheduleId, dueAtMs, lane, record: Buffer.alloc(10) },
});
const byPlace = (a: ScheduledRecord, b: ScheduledRecord) => a.dueAtMs - b.dueAtMs || a.scheduleId - b.scheduleId;

/** What storage holds: the list must never give less, nor anything in another order. */
class Store {
  readonly #records: ScheduledRecord[] = [];

  add(added: ScheduledRecord): void {
    this.#records.push(added);
    this.#records.sort(byPlace);
  }

  remove(gone: ScheduledRecord): void {
    this.#records.splice(this.#records.indexOf(gone), 1);
  }

  page(after: DueList['horizon'], max: number): ScheduledRecord[] {
    return this.#records.filter((one) => after === undefined || byPlace(one, { ...one, ...after }) > 0).slice(0, max);
  }

  get all(): readonly ScheduledRecord[] {
    return this.#records;
  }
}

/** A list beside its store: every answer of the one is held against the other. */
class Comparison {
  readonly #list = new DueList({ recordsMax: 5, bytesMax: 1_000 });
  readonly #store = new Store();
  #ids = 0;

  get left(): number {
    return this.#store.all.length;
  }

  load(during: () => void = () => undefined): void {
    this.#list.beginLoad();
    const page = this.#store.page(this.#list.horizon, 5);
    during();
    this.#list.load(page, page.length === 0);
  }

  add(dueAtMs: number): void {
    const added = record((this.#ids += 1), dueAtMs);
    this.#store.add(added);
    this.#list.add(added);
  }

  /** Added between the read and its answer, if one is due. */
  addDuringLoad(dueAtMs: number): void {
    if (this.#list.wantsMore) {
      this.load(() => {
        this.add(dueAtMs);
      });
    } else {
      this.add(dueAtMs);
    }
  }

  cancel(nth: number): void {
    const gone = this.#store.all[nth];
    if (gone !== undefined) {
      this.#store.remove(gone);
      this.#list.remove(gone.scheduleId);
    }
  }

  take(nowMs: number): void {
    while (this.#list.wantsMore) {
      this.load();
    }
    expect(this.#list.first?.scheduleId).toBe(this.#store.all[0]?.scheduleId);
    for (const taken of this.#list.takeDue(nowMs, 0, 3)) {
      expect(taken.scheduleId).toBe(this.#store.all[0]?.scheduleId);
      this.#store.remove(this.#store.all[0]!);
    }
  }
}

describe('DueList', () => {
  it('gives everything that is stored, in order, whatever is added while it reads', () => {
    const step = fc.oneof(
      fc.nat(50).map((dueAtMs) => (comparison: Comparison) => {
        comparison.add(dueAtMs);
      }),
      fc.nat(50).map((dueAtMs) => (comparison: Comparison) => {
        comparison.addDuringLoad(dueAtMs);
      }),
      fc.nat(30).map((nth) => (comparison: Comparison) => {
        comparison.cancel(nth);
      }),
      fc.nat(60).map((nowMs) => (comparison: Comparison) => {
        comparison.take(nowMs);
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const comparison = new Comparison();
        comparison.load();
        for (const act of steps) {
          act(comparison);
        }
        for (let rounds = comparison.left; rounds > 0; rounds -= 1) {
          comparison.take(Infinity);
        }
        expect(comparison.left).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes what is due of one lane, and no more than asked for', () => {
    const list = new DueList({ recordsMax: 10, bytesMax: 1_000 });
    list.load([record(1, 5), record(2, 5, 1), record(3, 6), record(4, 7)], true);
    expect(list.takeDue(6, 0, 1).map(({ scheduleId }) => scheduleId)).toEqual([1]);
    expect(list.takeDue(6, 0, 9).map(({ scheduleId }) => scheduleId)).toEqual([3]);
    expect(list.takeDue(6, 1, 9).map(({ scheduleId }) => scheduleId)).toEqual([2]);
    expect(list.first?.scheduleId).toBe(4);
  });
});
