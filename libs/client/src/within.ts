import { createDeferred, type Deferred, type Timers } from '@hermes/runtime';

/** What `work` gives, or `late` after `limitMs`; late work goes on, and nobody is told how it ends. */
export async function within<T>(timers: Timers, limitMs: number, work: Promise<T>): Promise<T | 'late'> {
  const late: Deferred<'late'> = createDeferred();
  const cancel = timers.after(limitMs, () => {
    late.resolve('late');
  });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    cancel();
  }
}
