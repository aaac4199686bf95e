import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { fromServiceError, LIMITS } from '@hermes/contracts';
import { type CancelTimer, Slots } from '@hermes/runtime';
import { type CallLimits, type Environment, systemEnvironment } from './environment.js';
import { ClientClosed } from './failure.js';

/** A method of a service: where it is and how its messages are written. Generated and raw definitions fit. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Response;
}

/** Servers take 1,000 streams on a connection; a further channel is opened before that is reached. */
const STREAMS_PER_CHANNEL_MAX = 900;
/** A channel that carried nothing for so long is closed. */
const CHANNEL_IDLE_MS = 5 * 60_000;
const SWEEP_MS = 60_000;

/** Keepalive finds a frozen or unplugged peer within 15 s, also on quiet connections. */
const TRANSPORT_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': LIMITS.transportBytes,
  'grpc.max_send_message_length': LIMITS.transportBytes,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.enable_channelz': 0,
  // Without a pool of its own, a second channel to the same server would share the first one's connection.
  'grpc.use_local_subchannel_pool': 1,
};

/** A call that runs. */
interface Running {
  cancel(): void;
}

interface Channel {
  readonly endpoint: string;
  readonly client: Client;
  calls: number;
  usedAtMs: number;
  /** It could not connect, and pauses before it tries again. */
  failed: boolean;
}

/** What grpc-js says of a call that found no connection. */
const UNCONNECTED = /^(No connection established|Name resolution failed|Failed to connect)/;

/** How this process names itself to servers. */
export interface ClientIdentity {
  readonly id: string;
  readonly version: string;
}

/**
 * One or more gRPC channels per endpoint, opened when needed and closed when idle. The endpoints are those of the
 * owners, the meta-servers or the gateway; what is called there is the caller's business.
 *
 * A channel that cannot connect is given up: its own pauses know nothing of routes, by which callers learn that somebody
 * is there again. Who calls next, after a pause of theirs, gets a new one, which connects at once.
 */
export class Channels {
  readonly #channels = new Map<string, Channel[]>();
  readonly #running = new Slots<Running>();
  readonly #metadata = new Metadata();
  readonly #environment: Environment;
  #cancelSweep: CancelTimer | undefined;
  #closed = false;

  constructor(identity: ClientIdentity, environment: Environment = systemEnvironment) {
    this.#environment = environment;
    this.#metadata.set('hermes-client-id', identity.id);
    this.#metadata.set('hermes-client-version', identity.version);
  }

  /** Number of open channels. */
  get size(): number {
    let size = 0;
    for (const channels of this.#channels.values()) {
      size += channels.length;
    }
    return size;
  }

  /** True once `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** One request, one response. Rejects with HermesError whose cause is the gRPC error. */
  unary<Request, Response>(
    endpoint: string,
    method: Method<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const channel = this.#take(endpoint);
      const onAbort = (): void => {
        call.cancel();
      };
      const call = channel.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        this.#options(limits),
        (error, response) => {
          this.#end(channel, slot, error?.details);
          limits.signal?.removeEventListener('abort', onAbort);
          if (error !== null) {
            reject(fromServiceError(error));
          } else {
            resolve(response as Response);
          }
        },
      );
      const slot = this.#running.add(call);
      limits.signal?.addEventListener('abort', onAbort, { once: true });
      if (limits.signal?.aborted === true) {
        call.cancel();
      }
    });
  }

  /** One request, many responses. The caller listens to `error`; cancel() ends it. */
  serverStream<Request, Response>(
    endpoint: string,
    method: Method<Request, Response>,
    request: Request,
    limits?: CallLimits,
  ): ClientReadableStream<Response> {
    const channel = this.#take(endpoint);
    const stream = channel.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
      limits === undefined ? {} : this.#options(limits),
    );
    const onAbort = (): void => {
      stream.cancel();
    };
    const slot = this.#running.add(stream);
    limits?.signal?.addEventListener('abort', onAbort, { once: true });
    if (limits?.signal?.aborted === true) {
      stream.cancel();
    }
    stream.once('status', ({ details }: StatusObject) => {
      this.#end(channel, slot, details);
      limits?.signal?.removeEventListener('abort', onAbort);
    });
    return stream;
  }

  /** Requests and responses at will. The caller listens to `error`; cancel() ends it. */
  bidi<Request, Response>(endpoint: string, method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    const channel = this.#take(endpoint);
    const stream = channel.client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata,
      {},
    );
    const slot = this.#running.add(stream);
    stream.once('status', ({ details }: StatusObject) => {
      this.#end(channel, slot, details);
    });
    return stream;
  }

  /** Closes all channels; what runs ends cancelled. Nothing can be called any more. */
  close(): void {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const call of [...this.#running]) {
      call.cancel();
    }
    for (const channels of this.#channels.values()) {
      for (const { client } of channels) {
        client.close();
      }
    }
    this.#channels.clear();
  }

  #take(endpoint: string): Channel {
    if (this.#closed) {
      throw new ClientClosed();
    }
    let channels = this.#channels.get(endpoint);
    if (channels === undefined) {
      channels = [];
      this.#channels.set(endpoint, channels);
    }
    let channel = channels.find(({ calls, failed }) => calls < STREAMS_PER_CHANNEL_MAX && !failed);
    if (channel === undefined) {
      channel = {
        endpoint,
        client: new Client(endpoint, credentials.createInsecure(), TRANSPORT_OPTIONS),
        calls: 0,
        usedAtMs: 0,
        failed: false,
      };
      channels.push(channel);
      this.#scheduleSweep();
    }
    channel.calls += 1;
    channel.usedAtMs = this.#environment.clock.monotonicMs();
    return channel;
  }

  /** `details`: what its status says. */
  #end(channel: Channel, slot: number, details = ''): void {
    channel.calls -= 1;
    this.#running.take(slot);
    channel.failed ||= UNCONNECTED.test(details);
    if (channel.failed && channel.calls === 0) {
      this.#keep(channel.endpoint, (other) => other !== channel);
    }
  }

  #options(limits: CallLimits): CallOptions {
    const remainingMs = limits.deadlineAtMs - this.#environment.clock.monotonicMs();
    return Number.isFinite(remainingMs) ? { deadline: Date.now() + Math.max(0, remainingMs) } : {};
  }

  #scheduleSweep(): void {
    this.#cancelSweep ??= this.#environment.timers.after(SWEEP_MS, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const idleSinceMs = this.#environment.clock.monotonicMs() - CHANNEL_IDLE_MS;
    for (const endpoint of this.#channels.keys()) {
      this.#keep(endpoint, ({ calls, usedAtMs }) => calls > 0 || usedAtMs > idleSinceMs);
    }
    if (this.#channels.size > 0) {
      this.#scheduleSweep();
    }
  }

  /** Closes all channels of an endpoint but those that `isKept`. */
  #keep(endpoint: string, isKept: (channel: Channel) => boolean): void {
    const channels = this.#channels.get(endpoint) ?? [];
    const kept = channels.filter(isKept);
    for (const { client } of channels.filter((channel) => !kept.includes(channel))) {
      client.close();
    }
    if (kept.length === 0) {
      this.#channels.delete(endpoint);
    } else {
      this.#channels.set(endpoint, kept);
    }
  }
}
