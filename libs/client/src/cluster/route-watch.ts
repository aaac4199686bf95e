import { type ClientReadableStream } from '@grpc/grpc-js';
import {
  CoordinationServiceService,
  fromServiceError,
  type HermesError,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { Backoff, type CancelTimer, createDeferred, type Deferred } from '@hermes/runtime';
import { type Environment } from './environment.js';
import { retryDelayMs } from './failure.js';
import { type MetaServers } from './meta-servers.js';
import { type RouteTable } from './route-table.js';

const RECONNECT_BACKOFF = { initialMs: 50, maxMs: 2_000 };

/**
 * Keeps a RouteTable filled from whichever meta-server answers. While none does, the table stays as it is and this
 * tries again, for ever, until stopped.
 */
export class RouteWatch {
  readonly #table: RouteTable;
  readonly #servers: MetaServers;
  readonly #environment: Environment;
  readonly #backoff: Backoff;
  #stream: ClientReadableStream<WatchRoutesResponse> | undefined;
  #cancelRetry: CancelTimer | undefined;
  readonly #filled: Deferred<void> = createDeferred();
  #fresh = false;
  #stopped = false;

  constructor(table: RouteTable, servers: MetaServers, environment: Environment) {
    this.#table = table;
    this.#servers = servers;
    this.#environment = environment;
    this.#backoff = new Backoff(RECONNECT_BACKOFF, environment.random);
  }

  /** True while the table follows a meta-server. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /** Resolves with the first snapshot. */
  get filled(): Promise<void> {
    return this.#filled.promise;
  }

  start(): void {
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#stream?.cancel();
  }

  #open(): void {
    const stream = this.#servers.serverStream(CoordinationServiceService.watchRoutes, { topics: [] });
    this.#stream = stream;
    let refusal: HermesError | undefined;
    stream.on('data', (update: WatchRoutesResponse) => {
      this.#backoff.reset();
      this.#table.apply(update);
      if (update.snapshot) {
        this.#fresh = true;
        this.#filled.resolve();
      }
    });
    stream.on('error', (error) => {
      refusal = fromServiceError(error);
      this.#servers.refused(refusal);
    });
    stream.on('status', () => {
      this.#fresh = false;
      this.#stream = undefined;
      if (!this.#stopped) {
        this.#cancelRetry = this.#environment.timers.after(retryDelayMs(this.#backoff, refusal), () => {
          this.#open();
        });
      }
    });
  }
}
