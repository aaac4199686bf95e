import { sleep, type Timers } from './timers.js';

/** Timers that fire when told. */
function manualTimers(): Timers & { fire(): void; pending(): number } {
  let callbacks: (() => void)[] = [];
  return {
    after: (_delayMs, callback) => {
      callbacks.push(callback);
      return () => {
        callbacks = callbacks.filter((other) => other !== callback);
      };
    },
    fire: () => {
      callbacks.splice(0).forEach((callback) => {
        callback();
      });
    },
    pending: () => callbacks.length,
  };
}

describe('sleep', () => {
  it('resolves when its timer fires', async () => {
    const timers = manualTimers();
    const sleeping = sleep(timers, 10);
    timers.fire();
    await expect(sleeping).resolves.toBeUndefined();
  });

  it('rejects with the reason of an abort and leaves no timer', async () => {
    const timers = manualTimers();
    const controller = new AbortController();
    const sleeping = sleep(timers, 10, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    expect(timers.pending()).toBe(0);
  });

  it('rejects at once when the signal was aborted before', async () => {
    const timers = manualTimers();
    await expect(sleep(timers, 10, AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    expect(timers.pending()).toBe(0);
  });
});
