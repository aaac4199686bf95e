/** How long and how often to look. */
export interface EventuallyOptions {
  /** Time until the last failure is thrown; 10 s if unset. */
  readonly deadlineMs?: number;
  /** Pause between two looks; 10 ms if unset. */
  readonly intervalMs?: number;
}

/**
 * Repeats `check` until it neither throws nor gives `false`, and returns what it gave. At the deadline it throws what
 * `check` threw last. Takes the place of every `sleep` in a test.
 */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { deadlineMs = 10_000, intervalMs = 10 } = options;
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const outcome = await attempt(check);
    if ('value' in outcome && outcome.value !== false) {
      return outcome.value;
    }
    if (performance.now() >= endMs) {
      throw 'error' in outcome ? outcome.error : new Error(`not true within ${deadlineMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

async function attempt<T>(check: () => T | Promise<T>): Promise<{ value: T } | { error: Error }> {
  try {
    return { value: await check() };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}
