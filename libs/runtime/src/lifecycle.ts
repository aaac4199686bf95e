/** The states of everything that is started and stopped. */
export type LifecycleState = 'new' | 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

/** What `stop` may take. */
export interface StopOptions {
  /** Time to finish what runs; what is left then is abandoned. */
  readonly deadlineMs: number;
}

/** Something with a start and a stop. */
export interface Service extends AsyncDisposable {
  readonly state: LifecycleState;
  start(): Promise<void>;
  stop(options?: StopOptions): Promise<void>;
}

/** Time that `stop` takes at most when its caller names none. */
export const STOP_DEADLINE_DEFAULT_MS = 30_000;

/**
 * Turns two async steps into an idempotent life: `start` and `stop` may be called any number of times and
 * concurrently; each runs once. `stop` during `start` waits for it first.
 */
export class Lifecycle {
  #state: LifecycleState = 'new';
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  readonly #steps: { start: () => Promise<void>; stop: (options: StopOptions) => Promise<void> };

  constructor(steps: { start: () => Promise<void>; stop: (options: StopOptions) => Promise<void> }) {
    this.#steps = steps;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) {
      return Promise.reject(new Error('already stopped'));
    }
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop(options: StopOptions = { deadlineMs: STOP_DEADLINE_DEFAULT_MS }): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    try {
      await this.#steps.start();
      this.#state = 'running';
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }

  async #stop(options: StopOptions): Promise<void> {
    // A failed start has reported its error to its own caller; what it opened is closed here all the same.
    await this.#starting?.catch(() => undefined);
    this.#state = 'draining';
    try {
      await this.#steps.stop(options);
      this.#state = 'stopped';
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }
}
