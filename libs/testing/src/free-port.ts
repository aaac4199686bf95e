import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which systems take the ports of outgoing connections and of servers that ask for any (from 32,768
 * on Linux, 49,152 elsewhere): one of those would be taken again before its server is there.
 */
const [FIRST, LAST] = [15_000, 32_000];
const TRIES = 100;

const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that was free a moment ago; none twice in a process. Prefer port 0 where the server tells its
 * port.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no port between ${FIRST} and ${LAST} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
