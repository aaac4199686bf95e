import { type CancelTimer } from '@hermes/runtime';
import { type Environment } from './environment.js';

/** How often streams are looked at for silence: all of a process together. */
const LOOK_MS = 1_000;

/** A stream that ends itself when it was silent for too long. */
export interface Watched {
  look(nowMs: number): void;
}

/** Finds silent streams with one timer for all of them. */
export class SilenceWatch {
  readonly #environment: Environment;
  readonly #streams = new Set<Watched>();
  #cancelTimer: CancelTimer | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get nowMs(): number {
    return this.#environment.clock.monotonicMs();
  }

  add(stream: Watched): void {
    this.#streams.add(stream);
    this.#cancelTimer ??= this.#environment.timers.after(LOOK_MS, () => {
      this.#look();
    });
  }

  delete(stream: Watched): void {
    this.#streams.delete(stream);
  }

  #look(): void {
    this.#cancelTimer = undefined;
    const { nowMs } = this;
    for (const stream of [...this.#streams]) {
      stream.look(nowMs);
    }
    if (this.#streams.size > 0) {
      this.#cancelTimer = this.#environment.timers.after(LOOK_MS, () => {
        this.#look();
      });
    }
  }
}
