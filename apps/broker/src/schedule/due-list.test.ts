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

describe('DueList', () => {
  it('gives everything that is stored, in order, whatever is added while it reads', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), dueAtMs: fc.nat(50), duringLoad: fc.boolean() }),
      fc.record({ kind: fc.constant('take' as const), nowMs: fc.nat(60) }),
      fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const list = new DueList({ recordsMax: 5, bytesMax: 1_000 });
        const store = new Store();
        let ids = 0;
        const load = (during: () => void = () => undefined): void => {
          list.beginLoad();
          const page = store.page(list.horizon, 5);
          during();
          list.load(page, page.length === 0);
        };
        const add = (dueAtMs: number): void => {
          const added = record((ids += 1), dueAtMs);
          store.add(added);
          list.add(added);
        };
        load();
        for (const one of steps) {
          if (one.kind === 'add' && one.duringLoad && list.wantsMore) {
            load(() => {
              add(one.dueAtMs);
            });
          } else if (one.kind === 'add') {
            add(one.dueAtMs);
          } else if (one.kind === 'cancel') {
            const gone = store.all[one.nth];
            if (gone !== undefined) {
              store.remove(gone);
              list.remove(gone.scheduleId);
            }
          } else {
            while (list.wantsMore) {
              load();
            }
            expect(list.first?.scheduleId).toBe(store.all[0]?.scheduleId);
            for (const taken of list.takeDue(one.nowMs, 0, 3)) {
              expect(taken.scheduleId).toBe(store.all[0]?.scheduleId);
              store.remove(store.all[0]!);
            }
          }
        }
        for (let left = store.all.length; left > 0; left -= 1) {
          while (list.wantsMore) {
            load();
          }
          const [taken] = list.takeDue(Infinity, 0, 1);
          expect(taken?.scheduleId).toBe(store.all[0]?.scheduleId);
          store.remove(store.all[0]!);
        }
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
