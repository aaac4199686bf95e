import { HermesError, type Reason } from '@hermes/contracts';
import { silentLogger } from '@hermes/kit';
import { type Metadata } from '@hermes/metadata';
import { type Timers } from '@hermes/runtime';

import { leaseWrites } from './lease-writes.js';

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

const changes = { kind: 'persist', assignments: [], brokers: [], forgottenBrokers: [], registered: [] } as const;

test('a write that fails for a while is tried again', async () => {
  const { metadata, calls } = failing(3);
  await leaseWrites({ metadata, timers: atOnce, logger: silentLogger }).persist(changes);
  expect(calls()).toBe(4);
});

test('a write that goes on failing is given up with its last failure', async () => {
  const { metadata, calls } = failing(100);
  const { persist } = leaseWrites({ metadata, timers: atOnce, logger: silentLogger });
  await expect(persist(changes)).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  expect(calls()).toBe(10);
});

test('a deposed leader does not try again', async () => {
  const { metadata, calls } = failing(100, 'NOT_LEADER');
  const { persist } = leaseWrites({ metadata, timers: atOnce, logger: silentLogger });
  await expect(persist(changes)).rejects.toMatchObject({ code: 'NOT_LEADER' });
  expect(calls()).toBe(1);
});

test('the end of a lease is asked for again like any write; where brokers cannot renew it has ended', async () => {
  const end = jest.fn<Promise<number>, [unknown, number]>();
  end.mockRejectedValueOnce(new HermesError('STORAGE_UNAVAILABLE', 'failed')).mockResolvedValueOnce(1_234);
  const effect = { kind: 'endLease', check: 1, broker: 'b', incarnation: 7, lastsAtMostMs: -500 } as const;
  const parts = { timers: atOnce, logger: silentLogger };
  const shared = { leases: {}, brokerLeases: { end } } as unknown as Metadata;
  expect(await leaseWrites({ ...parts, metadata: shared }).endLease(effect)).toBe(1_234);
  expect(end.mock.lastCall).toEqual([{ broker: 'b', incarnation: 7 }, -500]);
  const embedded = { leases: {}, brokerLeases: undefined } as unknown as Metadata;
  expect(await leaseWrites({ ...parts, metadata: embedded }).endLease(effect)).toBe(0);
});
