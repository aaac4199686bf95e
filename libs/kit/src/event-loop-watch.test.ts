import { eventually } from '@hermes/testing';
import { watchEventLoop } from './event-loop-watch.js';
import { createLogger } from './logger.js';
import { createMetrics } from './metrics.js';

it('reports a blocked event loop as a metric and a warning', async () => {
  const lines: string[] = [];
  const logger = createLogger({ component: 'test', destination: { write: (line) => lines.push(line) } });
  const metrics = createMetrics('test');
  const watch = watchEventLoop({ metrics, logger });
  await eventually(async () => lagSeconds(await metrics.text()) > 0);
  const endMs = performance.now() + 1_100;
  while (performance.now() < endMs) {
    // Blocks on purpose.
  }
  await eventually(() => lines.some((line) => line.includes('the event loop was blocked')));
  expect(lagSeconds(await metrics.text())).toBeGreaterThan(1);
  watch.stop();
});

function lagSeconds(text: string): number {
  return Number(/^hermes_test_event_loop_lag_seconds (\S+)/m.exec(text)?.[1]);
}
