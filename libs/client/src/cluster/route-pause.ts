import { sleep } from '@hermes/runtime';
import { type CallLimits, type Environment } from './environment.js';
import { type Router } from './router.js';

/** Passes before another attempt: at most `delayMs`, and until a route of the topic changes. Rejects as `limits.signal` says. */
export async function routePause(
  { router, environment }: { readonly router: Router; readonly environment: Environment },
  topic: string,
  delayMs: number,
  { signal }: Pick<CallLimits, 'signal'>,
): Promise<void> {
  const changed = new AbortController();
  const stopListening = router.onChange((topics) => {
    if (topics.has(topic)) {
      changed.abort();
    }
  });
  try {
    await sleep(
      environment.timers,
      delayMs,
      signal === undefined ? changed.signal : AbortSignal.any([changed.signal, signal]),
    );
  } catch {
    signal?.throwIfAborted();
  } finally {
    stopListening();
  }
}
