import { type Timers } from '@hermes/runtime';

/** What `work` gives, or `late` after `limitMs`; late work goes on, and nobody is told how it ends. */
export function within<T>(timers: Timers, limitMs: number, work: Promise<T>): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(limitMs, () => {
      resolve('late');
    });
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error as Error);
      },
    );
  });
}
