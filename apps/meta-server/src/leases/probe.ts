import { connect } from 'node:net';

/** A host that answers refuses within a round trip; whoever is silent for so long has not refused. */
const PROBE_TIMEOUT_MS = 1_000;

/** Tries a TCP connect: true only if it was refused, which proves that no process listens there. Never rejects. */
export function isRefused(endpoint: string): Promise<boolean> {
  const separator = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, separator).replace(/^\[|\]$/g, '');
  const socket = connect({ host, port: Number(endpoint.slice(separator + 1)), timeout: PROBE_TIMEOUT_MS });
  return new Promise((resolve) => {
    const settle = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => {
      settle(false);
    });
    socket.once('timeout', () => {
      settle(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle(error.code === 'ECONNREFUSED');
    });
  });
}
