// The parts: what storage and gRPC cost alone, measured in the same run as the rows that are held against them.
import { runChild, startChild } from './child.mjs';

/** Batch sizes of which the best counts. */
const STORE_BATCH_ROWS = [250, 1000, 4000];
/** Shard files of a data directory, as the broker makes them. */
const STORE_FILES = 2;

/** Rows per second of raw durable inserts: the best batch size, all files at once. */
export async function measureStore({ directory, measureMs }) {
  const rates = [];
  for (const batchRows of STORE_BATCH_ROWS) {
    const files = Array.from({ length: STORE_FILES }, () =>
      runChild('./parts/store.mjs', { directory, batchRows, measureMs }),
    );
    rates.push((await Promise.all(files)).reduce((sum, rate) => sum + rate, 0));
  }
  return Math.max(...rates);
}

/** Messages (or calls) per second over an empty grpc-js server: `frames`, `served` or `unary`. */
export async function measureEmpty(kind, { warmUpMs, measureMs }) {
  const server = startChild('./parts/empty-server.mjs', {});
  try {
    const port = await server.ready;
    const { rate } = await runChild('./parts/empty-client.mjs', { kind, port, warmUpMs, measureMs });
    return rate;
  } finally {
    server.stop();
  }
}

/** Parts that share the cores one after another: their costs per message add up. */
export const limitOf = (...rates) => 1 / rates.reduce((sum, rate) => sum + 1 / rate, 0);
