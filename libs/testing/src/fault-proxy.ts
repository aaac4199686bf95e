import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The two directions of a connection: what the client sends, and what the server answers. */
export type FaultDirection = 'requests' | 'replies';

/** What happens to bytes that arrive: they go on; wait for `heal`, as in a network that is cut; or are lost. */
export type FaultMode = 'pass' | 'hold' | 'drop';

/** What the proxy does from now on, to connections that are open and to new ones. */
export interface Faults {
  readonly requests: FaultMode;
  readonly replies: FaultMode;
  /** How much later everything arrives, each way, in its order. */
  readonly delayMs: number;
  /** New connections are reset at once. */
  readonly refuse: boolean;
}

const NO_FAULTS: Faults = { requests: 'pass', replies: 'pass', delayMs: 0, refuse: false };

/**
 * A TCP proxy on 127.0.0.1 that does to its connections what networks do. The end of a connection travels like its
 * bytes: held and delayed with them, so what a client sent before it gave up still reaches the server.
 */
export class FaultProxy implements AsyncDisposable {
  #faults = NO_FAULTS;
  readonly #links = new Set<Link>();

  private constructor(
    private readonly server: Server,
    readonly host: string,
    readonly port: number,
  ) {}

  /** Opens one in front of `target`. */
  static async open(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { address, port } = server.address() as AddressInfo;
    const proxy = new FaultProxy(server, address, port);
    server.on('connection', (client) => {
      proxy.#accept(client, connectTo(target));
    });
    return proxy;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#links.size;
  }

  /** Changes what is named, leaves the rest. */
  set(faults: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...faults };
    this.#eachPipe((pipe) => {
      pipe.flush();
    });
  }

  /** No faults from now on. Held bytes arrive; a connection that lost bytes is reset, since it makes no sense any more. */
  heal(): void {
    for (const link of [...this.#links].filter(({ pipes }) => Object.values(pipes).some(({ lossy }) => lossy))) {
      link.reset();
    }
    this.set(NO_FAULTS);
  }

  /** Ends every open connection in order, as a server does that shuts down; what is held is lost. */
  cut(): void {
    for (const link of this.#links) {
      link.cut();
    }
  }

  /** Resets every open connection. */
  reset(): void {
    for (const link of [...this.#links]) {
      link.reset();
    }
  }

  /** Resets each open connection once so many more bytes have passed in this direction: in the middle of a message. */
  resetAfter(direction: FaultDirection, bytes: number): void {
    for (const { pipes } of this.#links) {
      pipes[direction].resetAfter(bytes);
    }
  }

  /** Resets what is open and listens no more. Harmless when repeated. */
  async close(): Promise<void> {
    this.reset();
    if (this.server.listening) {
      this.server.close();
      await once(this.server, 'close');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket, server: Socket): void {
    const link = new Link(client, server, () => this.#faults);
    this.#links.add(link);
    link.onClosed(() => this.#links.delete(link));
    if (this.#faults.refuse) {
      link.reset();
    }
  }

  #eachPipe(visit: (pipe: Pipe) => void): void {
    for (const { pipes } of this.#links) {
      Object.values(pipes).forEach(visit);
    }
  }
}

function connectTo(target: { readonly host: string; readonly port: number }): Socket {
  return connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
}

/** One client's connection and the one to the server that belongs to it. */
class Link {
  readonly pipes: Readonly<Record<FaultDirection, Pipe>>;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    faults: () => Faults,
  ) {
    client.setNoDelay(true);
    const reset = (): void => {
      this.reset();
    };
    this.pipes = {
      requests: new Pipe({ from: client, to: server, faults, mode: () => faults().requests, reset }),
      replies: new Pipe({ from: server, to: client, faults, mode: () => faults().replies, reset }),
    };
  }

  onClosed(listener: () => void): void {
    const sockets = [this.client, this.server];
    for (const socket of sockets) {
      socket.on('close', () => {
        if (sockets.every(({ closed }) => closed)) {
          listener();
        }
      });
    }
  }

  cut(): void {
    this.client.destroySoon();
    this.server.destroySoon();
  }

  reset(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }
}

interface PipeOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly faults: () => Faults;
  readonly mode: () => FaultMode;
  readonly reset: () => void;
}

/** What travels in one direction: bytes, or the end of the connection. */
type Parcel = { readonly dueMs: number } & ({ readonly bytes: Buffer } | { readonly end: 'end' | 'reset' });

/** One direction of a connection. */
class Pipe {
  /** Bytes of this direction were lost. */
  lossy = false;
  readonly #parcels: Parcel[] = [];
  #timer: NodeJS.Timeout | undefined;
  #bytesLeft = Infinity;

  constructor(private readonly options: PipeOptions) {
    const { from, to } = options;
    from.on('data', (bytes) => {
      this.#send({ dueMs: this.#dueMs(), bytes });
    });
    from.on('end', () => {
      this.#send({ dueMs: this.#dueMs(), end: 'end' });
    });
    from.on('error', () => {
      this.#send({ dueMs: this.#dueMs(), end: 'reset' });
    });
    to.on('close', () => {
      clearTimeout(this.#timer);
      this.#parcels.length = 0;
    });
  }

  resetAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** Delivers what is due, and looks again when the next is. */
  flush(): void {
    clearTimeout(this.#timer);
    while (this.options.mode() === 'pass') {
      const parcel = this.#parcels[0];
      if (parcel === undefined) {
        return;
      }
      const waitMs = parcel.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.flush();
        }, waitMs);
        return;
      }
      this.#parcels.shift();
      this.#deliver(parcel);
    }
  }

  #dueMs(): number {
    return performance.now() + this.options.faults().delayMs;
  }

  #send(parcel: Parcel): void {
    if (this.options.mode() === 'drop') {
      this.lossy = true;
      return;
    }
    this.#parcels.push(parcel);
    this.flush();
  }

  #deliver(parcel: Parcel): void {
    const { to, reset } = this.options;
    if ('end' in parcel) {
      if (parcel.end === 'end') {
        to.end();
      } else {
        to.resetAndDestroy();
      }
      return;
    }
    const bytes = parcel.bytes.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= bytes.length;
    if (this.#bytesLeft > 0) {
      to.write(bytes);
      return;
    }
    // Once the last bytes have gone out, not before.
    to.write(bytes, reset);
  }
}
