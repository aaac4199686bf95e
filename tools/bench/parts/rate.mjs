import { sleep } from '../shapes.mjs';

/** Windows of a measurement, of which the slowest and the fastest give the spread. */
const WINDOWS = 5;

/**
 * Starts `load`, which calls `count(n)` for what it did, and gives its `rate` per second after the warm-up, and as
 * `spread` the distance of the fastest window from the slowest as a share of the rate.
 */
export async function countPerSecond(load, { warmUpMs, measureMs }) {
  let total = 0;
  load((n) => {
    total += n;
  });
  await sleep(warmUpMs);
  const marks = [{ at: performance.now(), total }];
  for (let window = 0; window < WINDOWS; window += 1) {
    await sleep(measureMs / WINDOWS);
    marks.push({ at: performance.now(), total });
  }
  const between = (from, to) => ((to.total - from.total) / (to.at - from.at)) * 1000;
  const rate = between(marks[0], marks[WINDOWS]);
  const windows = marks.slice(1).map((mark, i) => between(marks[i], mark));
  return { rate, spread: (Math.max(...windows) - Math.min(...windows)) / rate };
}
