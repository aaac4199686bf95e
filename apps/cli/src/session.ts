import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { AdminServiceClient, MessagingServiceClient, PartitionServiceClient } from '@hermes/contracts';
import { type Terminal } from './terminal.js';
import { CLI_VERSION } from './version.js';

/** Equal to the server's transport limit: a message of any topic can be shown. */
const MESSAGE_BYTES_MAX = 10 * 1_048_576;
/** A frozen server is noticed in 15 s, with or without calls. */
const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
};

/** Options that every client command has. */
export interface ClientOptions {
  readonly server: string;
  readonly timeout: number;
  readonly output: 'table' | 'json';
}

type Done<Response> = (error: ServiceError | null, response: Response) => void;
interface Cancellable {
  cancel(): void;
}

/** The connection of one command to one server. */
export class Session implements Disposable {
  readonly terminal: Terminal;
  readonly options: ClientOptions;
  readonly #clients: Client[] = [];

  constructor(terminal: Terminal, options: ClientOptions) {
    this.terminal = terminal;
    this.options = options;
  }

  get admin(): AdminServiceClient {
    return this.#client(AdminServiceClient);
  }

  get partitions(): PartitionServiceClient {
    return this.#client(PartitionServiceClient);
  }

  get messaging(): MessagingServiceClient {
    return this.#client(MessagingServiceClient);
  }

  /** What the server may log about its callers. */
  get metadata(): Metadata {
    const metadata = new Metadata();
    metadata.set('hermes-client-id', `hermes-cli-${process.pid}`);
    metadata.set('hermes-client-version', CLI_VERSION);
    return metadata;
  }

  /** One answer within `--timeout`. Ctrl-C cancels, unless another `signal` is given. */
  unary<Response>(
    call: (metadata: Metadata, options: CallOptions, done: Done<Response>) => Cancellable,
    signal: AbortSignal = this.terminal.signal,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const onAbort = (): void => {
        running.cancel();
      };
      const running = call(this.metadata, { deadline: Date.now() + this.options.timeout }, (error, response) => {
        signal.removeEventListener('abort', onAbort);
        if (error === null) {
          resolve(response);
        } else {
          reject(signal.aborted ? (signal.reason as Error) : error);
        }
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The frames of a stream, until it ends or the loop is left; Ctrl-C throws. `beforeEnd` still has the stream. */
  async *frames<Frame>(
    call: Cancellable & AsyncIterable<unknown>,
    beforeEnd: () => Promise<void> = (): Promise<void> => Promise.resolve(),
  ): AsyncGenerator<Frame> {
    const { signal } = this.terminal;
    const cancel = async (): Promise<void> => {
      await beforeEnd();
      call.cancel();
    };
    const onAbort = (): void => {
      void cancel();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      for await (const frame of call) {
        yield frame as Frame;
      }
    } catch (error) {
      throw signal.aborted ? (signal.reason as Error) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      await cancel();
    }
    signal.throwIfAborted();
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) {
      client.close();
    }
  }

  #client<C extends Client>(
    constructor: new (address: string, security: ReturnType<typeof credentials.createInsecure>, options: object) => C,
  ): C {
    const known = this.#clients.find((client): client is C => client instanceof constructor);
    if (known !== undefined) {
      return known;
    }
    const client = new constructor(this.options.server, credentials.createInsecure(), CHANNEL_OPTIONS);
    this.#clients.push(client);
    return client;
  }
}
