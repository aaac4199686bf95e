// Wakes the load on its schedule: a thread that sleeps until each message is due. A timer is too coarse for that, and a
// loop that looks all the time would take one of the two cores from the broker.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Wake-ups come at most so often: at high rates a few messages go together. */
const GAP_MS = 0.5;

/** The same in all threads, with the resolution of `performance.now`. */
const absoluteMs = () => performance.timeOrigin + performance.now();

/**
 * Calls `onDue` at `startAt` (of `performance.now`) and then each time a message of `rate` per second is due. Gives what
 * ends it.
 */
export function pace({ rate, startAt }, onDue) {
  const ended = new Int32Array(new SharedArrayBuffer(4));
  const startAtMs = performance.timeOrigin + startAt;
  const worker = new Worker(new URL(import.meta.url), { workerData: { ended, startAtMs, gapMs: 1000 / rate } });
  worker.on('message', onDue);
  return () => {
    Atomics.store(ended, 0, 1);
    Atomics.notify(ended, 0);
  };
}

if (!isMainThread) {
  const { ended, startAtMs, gapMs } = workerData;
  const stepMs = Math.max(gapMs, GAP_MS);
  for (let due = startAtMs; Atomics.load(ended, 0) === 0; due += stepMs) {
    Atomics.wait(ended, 0, 0, Math.max(0, due - absoluteMs()));
    parentPort.postMessage(0);
  }
}
