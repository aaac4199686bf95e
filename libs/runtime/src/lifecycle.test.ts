import { createDeferred } from './deferred.js';
import { Lifecycle } from './lifecycle.js';

describe('Lifecycle', () => {
  it('runs each step once however often it is asked', async () => {
    const calls: string[] = [];
    const lifecycle = new Lifecycle({
      start: () => Promise.resolve(void calls.push('start')),
      stop: () => Promise.resolve(void calls.push('stop')),
    });
    await Promise.all([lifecycle.start(), lifecycle.start()]);
    expect(lifecycle.state).toBe('running');
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    expect([lifecycle.state, ...calls]).toEqual(['stopped', 'start', 'stop']);
  });

  it('stops only after a start in progress has ended', async () => {
    const gate = createDeferred<undefined>();
    const calls: string[] = [];
    const lifecycle = new Lifecycle({
      start: async () => {
        await gate.promise;
        calls.push('started');
      },
      stop: () => Promise.resolve(void calls.push('stopped')),
    });
    const starting = lifecycle.start();
    const stopping = lifecycle.stop();
    gate.resolve(undefined);
    await Promise.all([starting, stopping]);
    expect(calls).toEqual(['started', 'stopped']);
  });

  it('closes what a failed start left open, and does not start again', async () => {
    const calls: string[] = [];
    const lifecycle = new Lifecycle({
      start: () => Promise.reject(new Error('port in use')),
      stop: () => Promise.resolve(void calls.push('stop')),
    });
    await expect(lifecycle.start()).rejects.toThrow('port in use');
    expect(lifecycle.state).toBe('failed');
    await lifecycle.stop();
    expect(calls).toEqual(['stop']);
    await expect(lifecycle.start()).rejects.toThrow('already stopped');
  });
});
