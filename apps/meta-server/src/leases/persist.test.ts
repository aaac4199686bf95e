import { HermesError, type Reason } from '@hermes/contracts';
import { silentLogger } from '@hermes/kit';
import { type Metadata } from '@hermes/metadata';
import { type Timers } from '@hermes/runtime';

import { persistWithRetry } from './persist.js';

const atOnce: Timers = {
  after: (_, callback) => {
    queueMicrotask(callback);
    return () => undefined;
  },
};

/** A store that fails so many times. */
function failing(times: number, code: Reason = 'STORAGE_FULL'): { metadata: Metadata; calls: () => number } {
  let calls = 0;
  const save = (): Promise<void> => {
    calls += 1;
    return calls <= times ? Promise.reject(new HermesError(code, 'failed')) : Promise.resolve();
  };
  return { metadata: { leases: { save } } as never, calls: () => calls };
}

const changes = { kind: 'persist', assignments: [], brokers: [], forgottenBrokers: [] } as const;

test('a write that fails for a while is tried again', async () => {
  const { metadata, calls } = failing(3);
  await persistWithRetry({ metadata, timers: atOnce, logger: silentLogger })(changes);
  expect(calls()).toBe(4);
});

test('a write that goes on failing is given up with its last failure', async () => {
  const { metadata, calls } = failing(100);
  const persist = persistWithRetry({ metadata, timers: atOnce, logger: silentLogger });
  await expect(persist(changes)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  expect(calls()).toBe(10);
});

test('a deposed leader does not try again', async () => {
  const { metadata, calls } = failing(100, 'NOT_LEADER');
  const persist = persistWithRetry({ metadata, timers: atOnce, logger: silentLogger });
  await expect(persist(changes)).rejects.toMatchObject({ code: 'NOT_LEADER' });
  expect(calls()).toBe(1);
});
