// The parts: what storage and gRPC cost alone, measured in the same run as the rows that are held against them.
import { runChild, startChild } from './child.mjs';

/** Messages (or calls) per second over an empty grpc-js server: `frames`, `served` or `unary`. */
async function measureEmpty(kind, { warmUpMs, measureMs }) {
  const server = startChild('./parts/empty-server.mjs', {});
  try {
    const port = await server.ready;
    const { rate } = await runChild('./parts/empty-client.mjs', { kind, port, warmUpMs, measureMs });
    return rate;
  } finally {
    server.stop();
  }
}

/** Per second, of one part: `store` and `reads` are the storage's own. */
export function measurePart(part, { storage, directory, warmUpMs, measureMs }) {
  switch (part) {
    case 'store':
      return storage.measureStore({ directory, warmUpMs, measureMs: measureMs / 2 });
    case 'reads':
      return storage.measureReads({ warmUpMs, measureMs });
    default:
      return measureEmpty(part, { warmUpMs, measureMs });
  }
}

/** Parts that share the cores one after another: their costs per message add up. */
export const limitOf = (...rates) => 1 / rates.reduce((sum, rate) => sum + 1 / rate, 0);
