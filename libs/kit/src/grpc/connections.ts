import { createServer, type Server, type Socket } from 'node:net';
import { listen } from '../listen.js';

/** Sockets beyond this wait in the kernel's queue: file descriptors must remain for the stores. */
const CONNECTIONS_MAX = 4_096;
/** An HTTP/2 client starts with these bytes, at once. */
const PREFACE_BYTES = 24;
const PREFACE_TIMEOUT_MS = 5_000;

/**
 * Accepts connections for a gRPC server. grpc-js has no limit on them, waits for ever for a client that says nothing,
 * and its forceShutdown leaves connections open when channelz is off; this knows every socket.
 */
export class Connections {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #prefaceTimeoutMs: number;

  constructor(onConnection: (socket: Socket) => void, prefaceTimeoutMs = PREFACE_TIMEOUT_MS) {
    this.#prefaceTimeoutMs = prefaceTimeoutMs;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#watch(socket);
      onConnection(socket);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Connections that are open now. */
  get count(): number {
    return this.#sockets.size;
  }

  /** Binds and gives the port. Throws ExitError when the address cannot be had. */
  listen(host: string, port: number): Promise<number> {
    return listen(this.#server, host, port);
  }

  /** Accepts no more; what is open stays. */
  refuse(): void {
    this.#server.close();
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => {
      if (socket.bytesRead < PREFACE_BYTES) {
        socket.destroy();
      }
    }, this.#prefaceTimeoutMs);
    timer.unref();
    // A reset is no news: HTTP/2 ends the calls of a lost connection.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
  }
}
