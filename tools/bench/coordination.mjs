// The `coordination` row: what one meta-server takes for many brokers and partitions, and how fast it gives a lost broker's
// partitions to others.
import { runChild } from './child.mjs';
import { freePort, startHermes } from './cluster.mjs';

const SIZE = { brokers: 50, topics: 1_000, partitions: 10, watchers: 20 };
/** Until what making the topics left behind is done. */
const SETTLE_MS = 5_000;
const STEADY_MS = { quick: 20_000, full: 60_000 };
const GOALS = { heartbeatMs: 50, cores: 0.5, deathS: 2, silenceS: 12 };

/** The metadata are where the storage keeps its data. */
export async function coordination({ storage, directory, quick, profileArgs }) {
  const [port, opsPort] = await Promise.all([freePort(), freePort()]);
  const args = ['meta-server', '--meta-port', String(port), '--meta-ops-port', String(opsPort)];
  const metadata = await storage.metadataArgs(directory);
  const metaServer = await startHermes([...args, ...metadata], opsPort, { nodeArgs: profileArgs });
  try {
    const measureMs = quick ? STEADY_MS.quick : STEADY_MS.full;
    const load = { ...SIZE, metaServer: `127.0.0.1:${port}`, pid: metaServer.pid, settleMs: SETTLE_MS, measureMs };
    return rowsOf(storage.variant, await runChild('./load/brokers.mjs', load));
  } finally {
    const ended = new Promise((resolve) => metaServer.once('exit', resolve));
    metaServer.kill('SIGTERM');
    await ended;
  }
}

function rowsOf(variant, { made, steady, death, silence }) {
  const row = (title, unit, value, { goal, details } = {}) => ({
    ...{ id: 'coordination', variant: `${variant}, ${title}`, value, unit },
    ...(goal === undefined ? {} : { goal, reached: value <= goal }),
    ...(details === undefined ? {} : { details }),
  });
  const { heartbeats } = steady;
  return [
    row('heartbeat p50', 'ms', heartbeats.p50, { details: heartbeats }),
    row('heartbeat p99', 'ms', heartbeats.p99, { goal: GOALS.heartbeatMs }),
    row('the meta-server', 'cores', steady.cores, { goal: GOALS.cores }),
    row('the meta-server', 'MiB', steady.residentMiB),
    row('topics made', 's', made.seconds, { details: made }),
    row('slowest heartbeat meanwhile', 'ms', made.heartbeats.max),
    row('a dead broker, granted', 's', death.grantedAfter, { goal: GOALS.deathS, details: death }),
    row('a dead broker, routes told', 's', death.toldAfter),
    // They come each third of the lease: none may fall into so short a time.
    ...(death.heartbeats.count > 0 ? [row('slowest heartbeat meanwhile', 'ms', death.heartbeats.max)] : []),
    row('a silent broker, granted', 's', silence.grantedAfter, { goal: GOALS.silenceS, details: silence }),
  ];
}
