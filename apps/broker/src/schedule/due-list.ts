import { type ScheduledRecord } from '@hermes/log';

/** A place in the order of due times. */
export type DuePlace = Pick<ScheduledRecord, 'dueAtMs' | 'scheduleId'>;

/** Before anything that is due. */
const BEGINNING: DuePlace = { dueAtMs: Number.MIN_SAFE_INTEGER, scheduleId: 0 };

/**
 * The messages that are due next, in order: all that are stored up to a horizon, within bounds of number and bytes.
 * What is later is read when the list has run empty.
 */
export class DueList {
  readonly #recordsMax: number;
  readonly #bytesMax: number;
  #records: ScheduledRecord[] = [];
  #bytes = 0;
  /** Everything stored up to here is in the list; undefined: everything. */
  #horizon: DuePlace | undefined = BEGINNING;
  #loading = false;

  constructor(bounds: { readonly recordsMax: number; readonly bytesMax: number }) {
    this.#recordsMax = bounds.recordsMax;
    this.#bytesMax = bounds.bytesMax;
  }

  get first(): ScheduledRecord | undefined {
    return this.#records[0];
  }

  /** True if there may be more in storage than is known here. */
  get wantsMore(): boolean {
    return this.#records.length === 0 && this.#horizon !== undefined;
  }

  /** Where to go on reading. */
  get horizon(): DuePlace | undefined {
    return this.#horizon;
  }

  /** Reading begins: what is added until `load` may not be among what is read, so it is kept in any case. */
  beginLoad(): void {
    this.#loading = true;
  }

  /** What was read behind the horizon: `isAll` if storage has no more. */
  load(records: readonly ScheduledRecord[], isAll: boolean): void {
    this.#loading = false;
    for (const record of records) {
      this.#insert(record);
    }
    const horizon = isAll ? undefined : records.at(-1);
    this.#horizon = horizon;
    while (horizon !== undefined && comparePlaces(this.#records.at(-1) ?? horizon, horizon) > 0) {
      this.#drop();
    }
    this.#trim();
  }

  /** Everything has to be read again. */
  reset(): void {
    this.#records = [];
    this.#bytes = 0;
    this.#horizon = BEGINNING;
  }

  /** A message that was stored just now. Beyond the horizon it is read later. */
  add(record: ScheduledRecord): void {
    if (this.#loading) {
      this.#insert(record);
    } else if (this.#horizon === undefined || comparePlaces(record, this.#horizon) <= 0) {
      this.#insert(record);
      this.#trim();
    }
  }

  /** Takes those that are due at `nowMs` in one lane off the list, at most `max`. */
  takeDue(nowMs: number, lane: number, max: number): ScheduledRecord[] {
    const taken: ScheduledRecord[] = [];
    const kept: ScheduledRecord[] = [];
    for (const record of this.#records) {
      const isDue = record.dueAtMs <= nowMs && record.lane === lane && taken.length < max;
      (isDue ? taken : kept).push(record);
    }
    this.#records = kept;
    this.#bytes -= taken.reduce((sum, { record }) => sum + record.length, 0);
    return taken;
  }

  /** Puts back what could not be promoted. */
  putBack(records: readonly ScheduledRecord[]): void {
    for (const record of records) {
      this.#insert(record);
    }
  }

  /** Forgets one that was cancelled; harmless if it is not here. */
  remove(scheduleId: number): void {
    const index = this.#records.findIndex((record) => record.scheduleId === scheduleId);
    const [removed] = index < 0 ? [] : this.#records.splice(index, 1);
    this.#bytes -= removed?.record.length ?? 0;
  }

  #insert(record: ScheduledRecord): void {
    let [low, high] = [0, this.#records.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePlaces(this.#records[middle] as ScheduledRecord, record) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (this.#records[low]?.scheduleId === record.scheduleId) {
      return;
    }
    this.#records.splice(low, 0, record);
    this.#bytes += record.record.length;
  }

  /** What is too much is forgotten from its end, and the horizon with it: it is stored. */
  #trim(): void {
    while (this.#records.length > 1 && (this.#records.length > this.#recordsMax || this.#bytes > this.#bytesMax)) {
      this.#drop();
      this.#horizon = this.#records.at(-1);
    }
  }

  #drop(): void {
    this.#bytes -= this.#records.pop()?.record.length ?? 0;
  }
}

function comparePlaces(a: DuePlace, b: DuePlace): number {
  return a.dueAtMs - b.dueAtMs || a.scheduleId - b.scheduleId;
}
