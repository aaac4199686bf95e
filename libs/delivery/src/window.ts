import type { Entry } from './entry.js';

/** Messages that are known and were not delivered yet: bounded in number and bytes, whoever stalls. */
export class Window {
  readonly #recordsMax: number;
  readonly #bytesMax: number;
  #records = 0;
  #bytes = 0;

  constructor(recordsMax: number, bytesMax: number) {
    this.#recordsMax = recordsMax;
    this.#bytesMax = bytesMax;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasRoom(): boolean {
    return this.#records < this.#recordsMax && this.#bytes < this.#bytesMax;
  }

  get room(): { readonly recordsMax: number; readonly bytesMax: number } {
    return { recordsMax: this.#recordsMax - this.#records, bytesMax: this.#bytesMax - this.#bytes };
  }

  /** Stored retries have a bound of their own, and do not count. */
  enter(entry: Entry): void {
    if (!entry.inWindow && !entry.stored) {
      entry.inWindow = true;
      this.#records += 1;
      this.#bytes += entry.bytes;
    }
  }

  /** The entry is about to have another size. */
  resize(entry: Entry, bytes: number): void {
    this.#bytes += entry.inWindow ? bytes - entry.bytes : 0;
  }

  /** Harmless if the entry is not in the window. */
  leave(entry: Entry): void {
    if (entry.inWindow) {
      entry.inWindow = false;
      this.#records -= 1;
      this.#bytes -= entry.bytes;
    }
  }
}
