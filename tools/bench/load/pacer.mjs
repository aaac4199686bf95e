// Wakes the load on its schedule: a thread that sleeps until each message is due. A timer is too coarse for that, and a
// loop that looks all the time would take one of the two cores from the broker.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Wake-ups come at most so often: at high rates a few messages go together. */
const GAP_MS = 0.5;

/** Calls `onDue` about every `gapMs` from now on; gives what ends it. */
export function pace(rate, onDue) {
  const ended = new Int32Array(new SharedArrayBuffer(4));
  const gapMs = Math.max(1000 / rate, GAP_MS);
  const worker = new Worker(new URL(import.meta.url), { workerData: { ended, gapMs } });
  worker.on('message', onDue);
  return () => {
    Atomics.store(ended, 0, 1);
    Atomics.notify(ended, 0);
  };
}

if (!isMainThread) {
  const { ended, gapMs } = workerData;
  for (let due = performance.now() + gapMs; Atomics.load(ended, 0) === 0; due += gapMs) {
    Atomics.wait(ended, 0, 0, Math.max(0, due - performance.now()));
    parentPort.postMessage(0);
  }
}
