import { createServer } from 'node:net';

/** A TCP port of 127.0.0.1 that was free a moment ago. Prefer port 0 where the server tells its port. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') {
          reject(new Error('no port was given'));
          return;
        }
        resolve(address.port);
      });
    });
  });
}
