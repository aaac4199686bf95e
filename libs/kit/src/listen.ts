import { type AddressInfo, type Server } from 'node:net';
import { EXIT_CODE, ExitError } from './exit-code.js';

/** Binds `server` and gives the port. Throws ExitError that names the address when it cannot be had. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(listenError(host, port, error));
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** A plain sentence for a failed bind: what is wrong and what to do. */
export function listenError(host: string, port: number, error: unknown): ExitError {
  const address = formatAddress(host, port);
  const text = error instanceof Error ? error.message : String(error);
  if (/EADDRINUSE|address already in use/i.test(text)) {
    return new ExitError(
      EXIT_CODE.UNAVAILABLE,
      `${address} is in use by another process: stop that one or choose another port`,
      { cause: error },
    );
  }
  if (/EACCES|permission denied/i.test(text)) {
    return new ExitError(EXIT_CODE.RIGHTS, `no right to listen on ${address}: choose a port above 1023`, {
      cause: error,
    });
  }
  return new ExitError(EXIT_CODE.UNAVAILABLE, `cannot listen on ${address}: is ${host} an address of this machine?`, {
    cause: error,
  });
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** The parts of `host:port`; undefined if it is none. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, plain, digits] = ADDRESS.exec(address) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  return host !== undefined && port >= 1 && port <= PORT_MAX ? { host, port } : undefined;
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
