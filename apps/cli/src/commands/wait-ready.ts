import { EXIT_CODE, ExitError, formatAddress } from '@hermes/kit';
import { setTimeout as sleep } from 'node:timers/promises';

/** A start takes well below a second; after this, something is wrong that waiting does not change. */
const READY_DEADLINE_MS = 15_000;
const POLL_MS = 10;

/** Where a server answers `/readyz`. */
export interface OpsAddress {
  readonly host: string;
  readonly opsPort: number;
}

/** Resolves once all servers say that they are ready. */
export async function waitReady(servers: readonly OpsAddress[], signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS;
  for (const server of servers) {
    while (!(await isReady(server))) {
      signal.throwIfAborted();
      if (performance.now() > deadlineMs) {
        throw new ExitError(EXIT_CODE.UNAVAILABLE, 'the servers did not become ready; --log-level info tells more');
      }
      await sleep(POLL_MS);
    }
  }
}

async function isReady({ host, opsPort }: OpsAddress): Promise<boolean> {
  // An address to listen on is not always one to connect to.
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const response = await fetch(`http://${formatAddress(reachable, opsPort)}/readyz`);
  await response.body?.cancel();
  return response.ok;
}
