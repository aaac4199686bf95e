import { systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { type Environment } from './environment.js';
import { routePause } from './route-pause.js';
import { RouteTable } from './route-table.js';
import { routerOf } from './router.js';

describe('a pause before another attempt', () => {
  const timers = new FakeTimers(new FakeClock());
  const environment: Environment = { clock: new FakeClock(), timers, random: systemRandom };
  const table = new RouteTable();
  const router = routerOf(table);

  /** How a pause of 100 ms for `orders` has ended, once it has. */
  const pause = (signal?: AbortSignal): { ended: string | undefined } => {
    const seen: { ended: string | undefined } = { ended: undefined };
    const limits = signal === undefined ? {} : { signal };
    void routePause({ router, environment }, 'orders', 100, limits).then(
      () => (seen.ended = 'over'),
      (error: unknown) => (seen.ended = String(error)),
    );
    return seen;
  };
  const change = (topic: string): void => {
    table.apply({ version: 1, snapshot: false, topics: [{ topic, partitionCount: 1, routes: [] }] });
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('lasts as long as was asked for', async () => {
    const seen = pause();
    timers.advance(99);
    await turn();
    expect(seen.ended).toBeUndefined();
    timers.advance(1);
    await turn();
    expect(seen.ended).toBe('over');
  });

  it('ends with a change of a route of the topic, not of another one', async () => {
    const seen = pause();
    change('bills');
    await turn();
    expect(seen.ended).toBeUndefined();
    change('orders');
    await turn();
    expect(seen.ended).toBe('over');
  });

  it('rejects when the caller gives up', async () => {
    const caller = new AbortController();
    const seen = pause(caller.signal);
    caller.abort(new Error('given up'));
    await turn();
    expect(seen.ended).toBe('Error: given up');
  });
});
