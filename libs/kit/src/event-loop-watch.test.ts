import { FakeClock, FakeTimers } from '@hermes/testing';

import { watchEventLoop } from './event-loop-watch.js';
import { createLogger } from './logger.js';
import { createMetrics } from './metrics.js';

function watchedLoop(): {
  lines: string[];
  lagSeconds: () => Promise<number>;
  block: (ms: number) => void;
  run: (ms: number) => void;
} {
  const lines: string[] = [];
  const logger = createLogger({ component: 'test', destination: { write: (line) => lines.push(line) } });
  const metrics = createMetrics('test');
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  watchEventLoop({ metrics, logger, clock, timers });
  return {
    lines,
    lagSeconds: async () => Number(/^hermes_test_event_loop_lag_seconds (\S+)/m.exec(await metrics.text())?.[1]),
    block: (ms) => {
      clock.advance(ms);
    },
    run: (ms) => {
      timers.advance(ms);
    },
  };
}

it.each([0, 1, 19, 20, 500, 999, 1_000, 1_001])(
  'sees a loop that is blocked for 1.1 s, %p ms after it began to watch',
  async (afterMs) => {
    const { lines, lagSeconds, block, run } = watchedLoop();
    run(afterMs);
    block(1_100);
    run(900);
    expect(await lagSeconds()).toBeGreaterThanOrEqual(1.08);
    expect(lines).toEqual([expect.stringContaining('the event loop was blocked')]);
  },
);

it('shows the worst of the last second alone, and warns of nothing while all is well', async () => {
  const { lines, lagSeconds, block, run } = watchedLoop();
  block(500);
  run(1_000);
  expect(await lagSeconds()).toBeCloseTo(0.48);
  run(1_020);
  expect(await lagSeconds()).toBe(0);
  expect(lines).toEqual([]);
});

it('reports the machine’s own loop until it is stopped', async () => {
  const lines: string[] = [];
  const logger = createLogger({ component: 'test', destination: { write: (line) => lines.push(line) } });
  const watch = watchEventLoop({ metrics: createMetrics('test'), logger });
  blockLoop(1_100);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(lines).toEqual([expect.stringContaining('the event loop was blocked')]);
  watch.stop();
  blockLoop(1_100);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(lines).toHaveLength(1);
});

function blockLoop(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    // Blocks on purpose.
  }
}
