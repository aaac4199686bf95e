import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What happens to the one statement that a fault waits for. */
export type FaultAction =
  /** The server runs it; its answer is lost with the connection. */
  | 'dropReply'
  /** It is lost on its way, with the connection. */
  | 'cut'
  /** The client's connection is lost; the server gets the statement when it is released. */
  | 'hold'
  /** Nothing more is heard on this connection. */
  | 'stall'
  /** The server never sees it; the client is told ER_LOCK_WAIT_TIMEOUT. */
  | 'refuse';

interface Fault {
  readonly statement: RegExp;
  readonly action: FaultAction;
  readonly fired: () => void;
}

/** A fault and who wants to know on which connection it was met. */
interface MetFault {
  readonly fault: Fault;
  readonly onLine: (line: Line) => void;
}

export interface ArmedFault {
  /** Resolves once a statement has met the fault. */
  readonly fired: Promise<void>;
  /** Lets a held statement go on to the server; resolves once the server has answered it, at once if none is held. */
  release(): Promise<void>;
}

const COMMAND = { query: 0x03, prepare: 0x16, execute: 0x17 } as const;
const HEADER_BYTES = 4;

/** ER_LOCK_WAIT_TIMEOUT as an error packet, first of its answer. */
const REFUSAL = errorPacket(1205, 'HY000', 'refused by the test');

/** A proxy before a server that knows the statements that go through it, and does one of them harm when told. */
export class MysqlProxy {
  readonly #server: Server;
  readonly #lines = new Set<Line>();
  #target: { readonly host: string; readonly port: number };
  #faults: MetFault[] = [];

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => {
      const line = new Line(client, connect(this.#target), (statement) => this.#take(statement));
      this.#lines.add(line);
      client.once('close', () => this.#lines.delete(line));
    });
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<MysqlProxy> {
    const proxy = new MysqlProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Arms a fault for the next statement that matches. */
  fault(statement: RegExp, action: FaultAction): ArmedFault {
    let line: Line | undefined;
    let fired!: () => void;
    const done = new Promise<void>((resolve) => (fired = resolve));
    this.#faults.push({ fault: { statement, action, fired }, onLine: (met) => (line = met) });
    return { fired: done, release: () => line?.release() ?? Promise.resolve() };
  }

  /** New connections go to another server. */
  retarget(target: { readonly host: string; readonly port: number }): void {
    this.#target = target;
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const line of this.#lines) {
      line.end();
    }
  }

  close(): void {
    this.#server.close();
    this.cutAll();
  }

  #take(statement: string): MetFault | undefined {
    const index = this.#faults.findIndex(({ fault }) => fault.statement.test(statement));
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0];
  }
}

/** One client's connection and its own to the server. */
class Line {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #take: (statement: string) => MetFault | undefined;
  readonly #prepared = new Map<number, string>();
  #fromClient = Buffer.alloc(0);
  #preparing: string | undefined;
  #held: Buffer | undefined;
  #mode: FaultAction | undefined;
  #answered: (() => void) | undefined;

  constructor(client: Socket, upstream: Socket, take: (statement: string) => MetFault | undefined) {
    this.#client = client;
    this.#upstream = upstream;
    this.#take = take;
    client.on('data', (bytes) => {
      this.#onClient(bytes);
    });
    upstream.on('data', (bytes) => {
      this.#onServer(bytes);
    });
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
    client.on('close', () => this.#mode === 'hold' || this.#mode === 'dropReply' || upstream.destroy());
    upstream.on('close', () => client.destroy());
  }

  end(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }

  release(): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#upstream.once('close', resolve);
      if (this.#upstream.destroyed || this.#held === undefined) {
        resolve();
      } else {
        this.#upstream.write(this.#held);
      }
    });
  }

  #onClient(bytes: Buffer): void {
    this.#fromClient = Buffer.concat([this.#fromClient, bytes]);
    for (;;) {
      const packet = cutPacket(this.#fromClient);
      if (packet === undefined || this.#mode !== undefined) {
        return;
      }
      this.#fromClient = this.#fromClient.subarray(packet.length);
      this.#onPacket(packet);
    }
  }

  #onPacket(packet: Buffer): void {
    const statement = this.#statementOf(packet);
    const met = statement === undefined ? undefined : this.#take(statement);
    if (met === undefined) {
      this.#upstream.write(packet);
      return;
    }
    met.onLine(this);
    this.#mode = met.fault.action === 'refuse' ? undefined : met.fault.action;
    switch (met.fault.action) {
      case 'refuse':
        this.#client.write(REFUSAL);
        break;
      case 'cut':
        this.end();
        break;
      case 'hold':
        this.#held = packet;
        this.#client.destroy();
        break;
      case 'dropReply':
      case 'stall':
        this.#upstream.write(packet);
        break;
    }
    met.fault.fired();
  }

  #onServer(bytes: Buffer): void {
    switch (this.#mode) {
      case 'dropReply':
        this.end();
        return;
      case 'hold':
        this.#answered?.();
        this.#upstream.destroy();
        return;
      case 'stall':
        return;
      default:
        if (this.#preparing !== undefined && bytes[HEADER_BYTES] === 0) {
          this.#prepared.set(bytes.readUInt32LE(HEADER_BYTES + 1), this.#preparing);
        }
        this.#preparing = undefined;
        this.#client.write(bytes);
    }
  }

  #statementOf(packet: Buffer): string | undefined {
    const isCommand = packet[3] === 0;
    const command = isCommand ? packet[HEADER_BYTES] : undefined;
    const text = packet.toString('utf8', HEADER_BYTES + 1);
    switch (command) {
      case COMMAND.query:
        return text;
      case COMMAND.prepare:
        this.#preparing = text;
        return undefined;
      case COMMAND.execute:
        return this.#prepared.get(packet.readUInt32LE(HEADER_BYTES + 1));
      default:
        return undefined;
    }
  }
}

function cutPacket(bytes: Buffer): Buffer | undefined {
  const length = bytes.length < HEADER_BYTES ? undefined : HEADER_BYTES + bytes.readUIntLE(0, 3);
  return length === undefined || bytes.length < length ? undefined : bytes.subarray(0, length);
}

function errorPacket(errno: number, sqlState: string, message: string): Buffer {
  const body = Buffer.from(`\u0000\u0000\u0000#${sqlState}${message}`, 'latin1');
  body[0] = 0xff;
  body.writeUInt16LE(errno, 1);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntLE(body.length, 0, 3);
  header[3] = 1;
  return Buffer.concat([header, body]);
}
