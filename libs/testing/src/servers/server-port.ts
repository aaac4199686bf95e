import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const PORT_MIN = 20_000;
/**
 * Above it systems give ports to outgoing connections (Linux from 32,768). A server that a test kills and restarts must
 * find its port free, and a client that dials a dead server must not be connected to itself.
 */
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 100;

/** A free port of 127.0.0.1 that stays free while its server is down. */
export async function serverPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await isFree(port)) {
      return port;
    }
  }
  throw new Error(`no free port between ${PORT_MIN} and ${PORT_MAX} in ${ATTEMPTS_MAX} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
