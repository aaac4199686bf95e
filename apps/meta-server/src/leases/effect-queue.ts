import { type Serial } from '@hermes/runtime';

/** Carries out effects one by one, in order, behind everything that was queued before; counts what waits. */
export class EffectQueue<Effect> {
  readonly #serial: Serial;
  readonly #execute: (effect: Effect) => Promise<void> | void;
  readonly #onFailure: (error: unknown) => void;
  #waiting = 0;
  #failed = false;

  /** After a failure nothing more is carried out: it was decided on the success of what failed. */
  constructor(options: {
    readonly serial: Serial;
    readonly execute: (effect: Effect) => Promise<void> | void;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#serial = options.serial;
    this.#execute = options.execute;
    this.#onFailure = options.onFailure;
  }

  /** Effects that are not carried out yet. */
  get waiting(): number {
    return this.#waiting;
  }

  push(effects: readonly Effect[]): void {
    if (effects.length > 0 && !this.#failed) {
      this.#waiting += effects.length;
      void this.#serial.run(() => this.#run(effects));
    }
  }

  async #run(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) {
      this.#waiting -= 1;
      if (this.#failed) {
        continue;
      }
      try {
        await this.#execute(effect);
      } catch (error) {
        this.#failed = true;
        this.#onFailure(error);
      }
    }
  }
}
