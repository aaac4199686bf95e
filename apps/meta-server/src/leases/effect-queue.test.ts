import { createDeferred, Serial } from '@hermes/runtime';

import { EffectQueue } from './effect-queue.js';

const needsDisk = (effect: string): boolean => effect === 'persist';

describe('the effect queue', () => {
  test('what needs no disk waits for no change of metadata, but for what was decided before it', async () => {
    const serial = new Serial();
    const done: string[] = [];
    const changed = createDeferred<undefined>();
    const queue = new EffectQueue<string>({
      serial,
      execute: (effect) => {
        done.push(effect);
      },
      needsDisk,
      onFailure: () => undefined,
    });
    const change = serial.run(() => changed.promise);
    queue.push(['revoke', 'grant']);
    expect(done).toEqual(['revoke', 'grant']);
    queue.push(['persist', 'routes']);
    queue.push(['late grant']);
    expect(done).toEqual(['revoke', 'grant']);
    expect(queue.waiting).toBe(3);
    changed.resolve(undefined);
    await change;
    await serial.run(() => Promise.resolve());
    expect(done).toEqual(['revoke', 'grant', 'persist', 'routes', 'late grant']);
    queue.push(['grant']);
    expect(done.at(-1)).toBe('grant');
  });

  test('carries nothing out before what precedes it is done, over all queues of one order', async () => {
    const serial = new Serial();
    const done: string[] = [];
    const durable = createDeferred<undefined>();
    const queue = new EffectQueue<string>({
      serial,
      execute: async (effect) => {
        await (effect === 'persist' ? durable.promise : undefined);
        done.push(effect);
      },
      needsDisk,
      onFailure: () => undefined,
    });
    queue.push(['persist', 'grant']);
    queue.push(['routes']);
    const change = serial.run(() => Promise.resolve(done.push('change')));
    await Promise.resolve();
    expect(done).toEqual([]);
    expect(queue.waiting).toBeGreaterThan(0);
    durable.resolve(undefined);
    await change;
    expect(done).toEqual(['persist', 'grant', 'routes', 'change']);
    expect(queue.waiting).toBe(0);
  });

  test('after a failure nothing that was decided on it happens, now or later', async () => {
    const serial = new Serial();
    const done: string[] = [];
    const failures: unknown[] = [];
    const queue = new EffectQueue<string>({
      serial,
      execute: (effect) => {
        if (effect === 'persist') {
          throw new Error('disk');
        }
        done.push(effect);
      },
      needsDisk,
      onFailure: (error) => {
        failures.push(error);
      },
    });
    queue.push(['revoke', 'persist', 'grant']);
    queue.push(['routes']);
    await serial.run(() => Promise.resolve());
    queue.push(['late']);
    await serial.run(() => Promise.resolve());
    expect(done).toEqual(['revoke']);
    expect(failures).toEqual([new Error('disk')]);
  });
});
