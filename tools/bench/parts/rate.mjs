import { sleep } from '../shapes.mjs';

/** Starts `load`, which calls `count(n)` for what it did, and gives the count per second after the warm-up. */
export async function countPerSecond(load, { warmUpMs, measureMs }) {
  let total = 0;
  load((n) => {
    total += n;
  });
  await sleep(warmUpMs);
  const [startedAt, startedWith] = [performance.now(), total];
  await sleep(measureMs);
  return ((total - startedWith) / (performance.now() - startedAt)) * 1000;
}
