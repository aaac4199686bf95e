import { type Entry, ENTRY_STATE } from './entry.js';
import { MinHeap } from './min-heap.js';

interface Alarm {
  readonly entry: Entry;
  readonly alarmNo: number;
  readonly dueAtMs: number;
}

/**
 * Waiting messages by due time, on one clock. An alarm is void once its message was settled, or was set another one;
 * so a message may change its due time, or its clock, at any moment.
 */
export class Alarms {
  readonly #heap = new MinHeap<Alarm>(isEarlier);

  /** Makes the entry wait until `dueAtMs`. */
  set(entry: Entry, dueAtMs: number): void {
    entry.dueAtMs = dueAtMs;
    entry.state = ENTRY_STATE.waiting;
    entry.alarmNo += 1;
    this.#heap.push({ entry, alarmNo: entry.alarmNo, dueAtMs });
  }

  /** The next message whose time has come at `nowMs`; its alarm is gone. */
  nextDue(nowMs: number): Entry | undefined {
    const alarm = this.#first();
    if (alarm === undefined || alarm.dueAtMs > nowMs) {
      return undefined;
    }
    this.#heap.pop();
    return alarm.entry;
  }

  /** Infinity without any. */
  earliestMs(): number {
    return this.#first()?.dueAtMs ?? Number.POSITIVE_INFINITY;
  }

  #first(): Alarm | undefined {
    for (;;) {
      const alarm = this.#heap.peek();
      if (alarm === undefined || isCurrent(alarm)) {
        return alarm;
      }
      this.#heap.pop();
    }
  }
}

const isCurrent = ({ entry, alarmNo }: Alarm): boolean =>
  entry.state === ENTRY_STATE.waiting && entry.alarmNo === alarmNo;

const isEarlier = (a: Alarm, b: Alarm): boolean =>
  a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.entry.offset < b.entry.offset);
