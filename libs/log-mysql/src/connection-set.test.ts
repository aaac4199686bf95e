import { FakeClock } from '@hermes/testing';

import { ConnectionSet } from './connection-set.js';
import type { Session } from './session.js';

const IDLE_MAX_MS = 20_000;

describe('ConnectionSet', () => {
  let clock: FakeClock;
  let connections: number;
  let queries: string[];
  let set: ConnectionSet;

  beforeEach(() => {
    clock = new FakeClock();
    connections = 0;
    queries = [];
    const connect = (): Promise<Session> => {
      connections += 1;
      const query = (sql: string): Promise<void> => {
        queries.push(sql);
        return Promise.resolve();
      };
      return Promise.resolve({ isUsable: true, query, destroy: () => undefined } as unknown as Session);
    };
    set = new ConnectionSet(4, connect, clock);
  });
  afterEach(() => set.close());

  /** Runs whatever is under way. */
  const settled = async (): Promise<void> => {
    await new Promise(setImmediate);
  };

  it('connects the next slot when one is given out, so that who gets it need not wait', async () => {
    const first = set.assign();
    await settled();
    expect(connections).toBe(1);
    const second = set.assign();
    await settled();
    expect(second).not.toBe(first);
    expect([second.load, connections]).toEqual([0, 2]);
  });

  it('uses what is idle before it would be replaced, and that alone', async () => {
    const slot = set.assign();
    await slot.run(() => Promise.resolve());
    await settled();
    expect(connections).toBe(2);
    clock.advance(IDLE_MAX_MS / 2);
    set.keepWarm();
    await settled();
    expect(queries).toEqual([]);
    clock.advance(1);
    set.keepWarm();
    await settled();
    expect([queries, connections]).toEqual([['DO 0', 'DO 0'], 2]);
    clock.advance(IDLE_MAX_MS);
    await slot.run(() => Promise.resolve());
    expect(connections).toBe(2);
  });

  it('connects anew what was idle for too long', async () => {
    const slot = set.assign();
    await slot.run(() => Promise.resolve());
    await settled();
    clock.advance(IDLE_MAX_MS + 1);
    // The server may have ended it: to use it would leave an outcome unknown.
    set.keepWarm();
    slot.warm();
    await settled();
    expect([queries, connections]).toEqual([[], 3]);
  });
});
