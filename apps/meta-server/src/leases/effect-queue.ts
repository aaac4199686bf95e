import { type Serial } from '@hermes/runtime';

/**
 * Carries out effects one by one, in order; counts what waits. What needs the disk comes behind everything that was queued
 * there before, the rest at once unless an effect waits: a heartbeat's answer does not wait for changes of metadata alone.
 */
export class EffectQueue<Effect> {
  readonly #serial: Serial;
  readonly #execute: (effect: Effect) => Promise<void> | void;
  readonly #needsDisk: (effect: Effect) => boolean;
  readonly #onFailure: (error: unknown) => void;
  #waiting = 0;
  #failed = false;

  /**
   * What does not need the disk must be carried out synchronously. After a failure nothing more is carried out: it was
   * decided on the success of what failed.
   */
  constructor(options: {
    readonly serial: Serial;
    readonly execute: (effect: Effect) => Promise<void> | void;
    readonly needsDisk: (effect: Effect) => boolean;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#serial = options.serial;
    this.#execute = options.execute;
    this.#needsDisk = options.needsDisk;
    this.#onFailure = options.onFailure;
  }

  /** Effects that are not carried out yet. */
  get waiting(): number {
    return this.#waiting;
  }

  push(effects: readonly Effect[]): void {
    if (effects.length === 0 || this.#failed) {
      return;
    }
    const isFree = this.#waiting === 0 && !effects.some(this.#needsDisk);
    this.#waiting += effects.length;
    if (isFree) {
      this.#runNow(effects);
    } else {
      void this.#serial.run(() => this.#run(effects));
    }
  }

  #runNow(effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        void (this.#failed ? undefined : this.#execute(effect));
      } catch (error) {
        this.#fail(error);
      }
      this.#waiting -= 1;
    }
  }

  async #run(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) {
      try {
        await (this.#failed ? undefined : this.#execute(effect));
      } catch (error) {
        this.#fail(error);
      }
      this.#waiting -= 1;
    }
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#onFailure(error);
  }
}
