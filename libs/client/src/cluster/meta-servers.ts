import { type ClientDuplexStream, type ClientReadableStream, status } from '@grpc/grpc-js';
import { HermesError } from '@hermes/contracts';
import { Backoff, sleep } from '@hermes/runtime';
import { type Channels, type Method } from './channels.js';
import { type CallLimits, type Environment } from './environment.js';
import { failureOf, retryDelayMs } from './failure.js';

/** An election takes up to 6.5 s; callers with time left wait for it in short steps. */
const ROUND_BACKOFF = { initialMs: 100, maxMs: 1_000 };
/** Left of the caller's deadline for our answer to reach it. */
const ANSWER_MARGIN_MS = 100;
/** Redirects of one call before waiting: more means that the servers disagree. */
const REDIRECTS_MAX = 3;
const READS = /\/(Get|List|Describe)[A-Z][A-Za-z]*$/;

/** The meta-servers of a cluster (or the gateway, which forwards to them): finds the one that answers. */
export class MetaServers {
  readonly #endpoints: readonly string[];
  readonly #channels: Channels;
  readonly #environment: Environment;
  #current: string;

  constructor(endpoints: readonly string[], channels: Channels, environment: Environment) {
    const [first] = endpoints;
    if (first === undefined) {
      throw new HermesError('INVALID_FIELD', 'metaServers: at least one endpoint');
    }
    this.#endpoints = endpoints;
    this.#channels = channels;
    this.#environment = environment;
    this.#current = first;
  }

  /** The endpoint to try first: the leader, as far as known. */
  get current(): string {
    return this.#current;
  }

  /**
   * Calls the leader, wherever it is. Only attempts that certainly did nothing are repeated, so that any call may go
   * through here; reads also after a lost connection. NO_LEADER if none is found in time.
   */
  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response> {
    const { clock, timers, random } = this.#environment;
    const backoff = new Backoff(ROUND_BACKOFF, random);
    let last: HermesError;
    for (let hops = 1; ; hops += 1) {
      try {
        return await this.#channels.unary(this.#current, method, request, limits);
      } catch (error) {
        last = error as HermesError;
        if (!this.refused(last) || !mayRepeat(method.path, last)) {
          throw last;
        }
      }
      const leftMs = limits.deadlineAtMs - ANSWER_MARGIN_MS - clock.monotonicMs();
      if (leftMs <= 0) {
        break;
      }
      const others = this.#endpoints.length - 1;
      if (hops > others + (last.code === 'NOT_LEADER' ? REDIRECTS_MAX : 0)) {
        await sleep(timers, Math.min(retryDelayMs(backoff, last), leftMs), limits.signal);
        hops = 0;
      }
    }
    throw new HermesError('NO_LEADER', 'no meta-server could be reached in time', { cause: last });
  }

  /** Opens a stream at the server that is believed to lead; tell `refused` how it ended. */
  serverStream<Request, Response>(method: Method<Request, Response>, request: Request): ClientReadableStream<Response> {
    return this.#channels.serverStream(this.#current, method, request);
  }

  /** Opens a stream at the server that is believed to lead; tell `refused` how it ended. */
  bidi<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    return this.#channels.bidi(this.#current, method);
  }

  /**
   * Takes note of a failure: goes on to the leader that it names, else to the next server. False, and nothing moved,
   * if the server has answered for good.
   */
  refused(error: HermesError): boolean {
    if (failureOf(error) === 'final' || error.code === 'PARTITION_MOVING') {
      return false;
    }
    const { endpoint } = error.details;
    if (error.code === 'NOT_LEADER' && endpoint !== undefined && endpoint !== '' && endpoint !== this.#current) {
      this.#current = endpoint;
      return true;
    }
    const index = this.#endpoints.indexOf(this.#current);
    this.#current = this.#endpoints[(index + 1) % this.#endpoints.length] ?? this.#current;
    return true;
  }
}

/** Reads may be repeated whatever became of the last attempt, unless time was what it lacked. */
function mayRepeat(path: string, error: HermesError): boolean {
  return failureOf(error) !== 'unknown' || (READS.test(path) && error.status === status.UNAVAILABLE);
}
