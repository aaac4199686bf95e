/** Told of each task that failed; must not throw. */
export type TaskFailureListener = (taskName: string, error: unknown) => void;

/** Fire-and-forget work that is nevertheless watched: failures are reported, and `settled` waits for all of it. */
export class TaskGroup {
  readonly #tasks = new Set<Promise<void>>();
  readonly #onFailure: TaskFailureListener;

  constructor(onFailure: TaskFailureListener) {
    this.#onFailure = onFailure;
  }

  /** Number of tasks that run now. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Starts `task` at once. A synchronous throw counts as a failure of the task. */
  run(taskName: string, task: () => Promise<void>): void {
    const running = this.#guard(taskName, task);
    this.#tasks.add(running);
    void running.finally(() => this.#tasks.delete(running));
  }

  /** Resolves once no task runs, those started meanwhile included. */
  async settled(): Promise<void> {
    while (this.#tasks.size > 0) {
      await Promise.all(this.#tasks);
    }
  }

  async #guard(taskName: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#onFailure(taskName, error);
    }
  }
}
