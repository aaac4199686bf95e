import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Where a connection is cut: before the server has the COMMIT, or after it and before its answer arrives. */
export type CutAt = 'before-commit' | 'after-commit';

/** Stands before a server and cuts connections, or lets nobody through at all. */
export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cutAt: CutAt | undefined;
  #closed = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      this.#pass(client, connect(target));
    });
  }

  static async start(serverUrl: string): Promise<CuttingProxy> {
    const { hostname, port } = new URL(serverUrl);
    const proxy = new CuttingProxy({ host: hostname, port: Number(port) });
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The same database through this proxy. */
  urlOf(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((this.#server.address() as AddressInfo).port);
    return through.href;
  }

  /** Cuts the connection that commits next, once. */
  cutNext(at: CutAt): void {
    this.#cutAt = at;
  }

  /** Cuts everything, and everything that comes. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(client: Socket, server: Socket): void {
    if (this.#closed) {
      client.destroy();
      server.destroy();
      return;
    }
    let silent = false;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      const cut = bytes.includes('commit') ? this.#cutAt : undefined;
      this.#cutAt = cut === undefined ? this.#cutAt : undefined;
      if (cut === 'before-commit') {
        client.destroy();
        return;
      }
      silent ||= cut === 'after-commit';
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (silent) {
        client.destroy();
      } else {
        client.write(bytes);
      }
    });
  }
}
