import { type ChannelOptions, logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { descriptorSetPath } from '@hermes/contracts';
import { type Clock, type InvariantError, systemClock } from '@hermes/runtime';
import { isLoopback } from '../config/loopback.js';
import { type Logger } from '../logger.js';
import { type Metrics } from '../metrics.js';
import { crash } from '../process.js';
import { Connections } from './connections.js';
import { Edge } from './edge.js';
import { type Handlers, type Method, type Service } from './handlers.js';
import { Health } from './health.js';
import { createReflection } from './reflection.js';

/** Unary calls that were given no deadline end after this. */
const UNARY_DEADLINE_MS = 30_000;
/** The biggest body is 8 MiB; the rest is room for its envelope. */
const MESSAGE_BYTES_MAX = 10 * 1_048_576;
/** Frequent enough that a frozen peer is noticed in 15 s. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
/** Revoked credentials lose access after this at the latest; grpc-js spreads it by 10 %. */
const CONNECTION_AGE_MS = 3_600_000;
const CONNECTION_AGE_GRACE_MS = 60_000;
const CONNECTION_IDLE_MS = 300_000;
/** 50,000 streams on one connection cost 456 MB without it. */
const CONCURRENT_STREAMS_MAX = 1_000;
const SESSION_MEMORY_MIB = 16;
/** One full frame may be under way in each direction without waiting for a window update. */
const FLOW_CONTROL_WINDOW_BYTES = 1_048_576;

/** What a server is made of. */
export interface GrpcServerOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Closes connections at this age; `none` where streams must live as long as their processes (leases). 1 h if unset. */
  readonly connectionAgeMs?: number | 'none';
  /** Reflection; on loopback addresses if unset. */
  readonly reflection?: boolean | undefined;
  readonly unaryDeadlineMs?: number;
  readonly clock?: Clock;
  /** Told of a broken invariant once its caller is answered; if unset it ends the process as an uncaught exception. */
  readonly onInvariant?: (error: InvariantError) => void;
}

/** A gRPC server with Hermes' edge around every handler. */
export interface GrpcServer {
  /** Adds a service before `listen`; it starts as not serving. The compiler sees to a handler for each method. */
  add<S extends Service>(service: S, handlers: Handlers<S>): void;
  /** Binds and gives the port (0: any free one). Throws ExitError UNAVAILABLE when it is taken. */
  listen(host: string, port: number): Promise<number>;
  /** Health of one service by its full name, or of all with "". */
  setServing(service: string, serving: boolean): void;
  /** Refuses new calls, lets running ones end until `deadlineMs`, then cuts them. Idempotent. */
  stop(deadlineMs: number): Promise<void>;
}

/** Makes a server; nothing is bound yet. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  return new EdgeServer(options);
}

class EdgeServer implements GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #edge: Edge;
  readonly #health = new Health();
  readonly #services: string[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    // What grpc-js would print on standard error reaches us as errors too.
    setLogVerbosity(logVerbosity.NONE);
    this.#server = new Server(channelOptions(options));
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#connections = new Connections((socket) => {
      injector.injectConnection(socket);
    });
    options.metrics.gauge('grpc_connections', {
      help: 'Connections that are open now.',
      read: () => this.#connections.count,
    });
    this.#edge = new Edge({
      logger: options.logger,
      metrics: options.metrics,
      clock: options.clock ?? systemClock,
      unaryDeadlineMs: options.unaryDeadlineMs ?? UNARY_DEADLINE_MS,
      onInvariant: options.onInvariant ?? crash,
    });
    this.#register(Health.service, this.#health.handlers);
  }

  add<S extends Service>(service: S, handlers: Handlers<S>): void {
    const name = this.#register(service, handlers);
    this.#services.push(name);
    this.#health.set(name, false);
  }

  async listen(host: string, port: number): Promise<number> {
    if (this.#options.reflection ?? isLoopback(host)) {
      for (const { service, handlers } of createReflection(descriptorSetPath(), this.#services)) {
        this.#register(service, handlers);
      }
    }
    return this.#connections.listen(host, port);
  }

  setServing(service: string, serving: boolean): void {
    for (const name of service === '' ? this.#services : [service]) {
      this.#health.set(name, serving);
    }
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#health.close();
    this.#connections.refuse();
    await new Promise<void>((resolve) => {
      // tryShutdown waits for every open stream, which a subscription never ends by itself.
      const timer = setTimeout(() => {
        this.#connections.cut();
        this.#server.forceShutdown();
        resolve();
      }, deadlineMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Codecs run inside the edge, hence identity here: grpc-js would turn their errors into texts of its own. */
  #register(service: Service, handlers: Readonly<Record<string, unknown>>): string {
    const definition: Record<string, Method<Buffer, Buffer>> = {};
    const implementation: Record<string, never> = {};
    for (const [name, method] of Object.entries(service)) {
      definition[name] = { ...method, requestDeserialize: identity, responseSerialize: identity };
      implementation[name] = this.#edge.wrap(method, handlers[name] as never) as never;
    }
    this.#server.addService(definition as never, implementation);
    return Object.values(service)[0]?.path.split('/')[1] ?? '';
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

function channelOptions({ connectionAgeMs = CONNECTION_AGE_MS }: GrpcServerOptions): ChannelOptions {
  return {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': CONCURRENT_STREAMS_MAX,
    'grpc-node.max_session_memory': SESSION_MEMORY_MIB,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.max_connection_idle_ms': CONNECTION_IDLE_MS,
    ...(connectionAgeMs === 'none'
      ? {}
      : {
          'grpc.max_connection_age_ms': connectionAgeMs,
          'grpc.max_connection_age_grace_ms': CONNECTION_AGE_GRACE_MS,
        }),
    'grpc.enable_channelz': 0,
  };
}
