import {
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { HermesError, notImplemented } from '@hermes/contracts';
import { type Clock, InvariantError } from '@hermes/runtime';
import { type Logger } from '../logger.js';
import { type CounterMetric, type GaugeMetric, type HistogramMetric, type Metrics } from '../metrics.js';
import { decodeRequest } from './decode-request.js';
import { EdgeCall } from './edge-call.js';
import { EdgeStream } from './edge-stream.js';
import { type BidiHandler, type Method, type ServerStreamHandler, type UnaryHandler } from './handlers.js';
import { publicError, TransportError } from './public-error.js';
import { resetLater } from './reset-later.js';

/** What the edge needs to run handlers. */
export interface EdgeOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Deadline of unary calls that were given none. */
  readonly unaryDeadlineMs: number;
  /** Told of a broken invariant, after it was logged and its caller answered. */
  readonly onInvariant: (error: InvariantError) => void;
}

/** How long a stream's last frames may take before its error cuts it: a peer that does not read gets no more. */
const FLUSH_MS = 1_000;

type AnyHandler =
  UnaryHandler<unknown, unknown> | ServerStreamHandler<unknown, unknown> | BidiHandler<unknown, unknown>;

/** What is done in one call: the work, then one of the two endings. */
interface Steps<T> {
  readonly work: () => Promise<T>;
  readonly succeed: (result: T) => void;
  readonly fail: (failure: ServiceError) => void;
}

type AnyMethod = Method<unknown, unknown>;

/** Wraps handlers so that every call is counted, has a deadline, and ends exactly once with a public status. */
export class Edge {
  readonly #options: EdgeOptions;
  readonly #calls: CounterMetric<'method' | 'code'>;
  readonly #seconds: HistogramMetric<'method'>;
  readonly #open: GaugeMetric<'method'>;
  readonly #streams = new Map<string, number>();

  constructor(options: EdgeOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#calls = metrics.counter('grpc_calls', { help: 'Finished calls.', labels: ['method', 'code'] });
    this.#seconds = metrics.histogram('grpc_call_seconds', { help: 'Time of unary calls.', labels: ['method'] });
    this.#open = metrics.gauge('grpc_open_streams', { help: 'Streams that are open now.', labels: ['method'] });
  }

  /** The function that grpc-js calls for one method. */
  wrap(method: AnyMethod, handler: AnyHandler): (raw: never, callback: never) => void {
    if (method.requestStream) {
      return (raw: ServerDuplexStream<Buffer, Buffer>) => {
        this.#stream(method, raw, (stream) => (handler as BidiHandler<unknown, unknown>)(stream));
      };
    }
    if (method.responseStream) {
      return (raw: ServerWritableStream<Buffer, Buffer>) => {
        this.#stream(method, raw, (stream) =>
          (handler as ServerStreamHandler<unknown, unknown>)(decodeRequest(method, raw.request), stream),
        );
      };
    }
    return (raw: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      this.#unary(method, handler as UnaryHandler<unknown, unknown>, raw, callback);
    };
  }

  #unary(
    method: AnyMethod,
    handler: UnaryHandler<unknown, unknown>,
    raw: ServerUnaryCall<Buffer, Buffer>,
    callback: sendUnaryData<Buffer>,
  ): void {
    const { clock, unaryDeadlineMs, logger } = this.#options;
    const startedAtMs = clock.monotonicMs();
    const call = new EdgeCall(raw, method.path, { clock, defaultDeadlineMs: unaryDeadlineMs });
    const disarm = call.armDefaultDeadline();
    call.onEnd = (reason): void => {
      callback(publicError(reason, method.path, logger));
    };
    void this.#run(call, {
      work: async () => method.responseSerialize(await handler(decodeRequest(method, raw.request), call)),
      succeed: (bytes) => {
        callback(null, bytes);
      },
      fail: callback,
    }).finally(() => {
      disarm();
      this.#seconds.observe((clock.monotonicMs() - startedAtMs) / 1000, { method: method.path });
    });
  }

  #stream(
    method: AnyMethod,
    raw: ServerDuplexStream<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>,
    handle: (stream: EdgeStream<unknown, unknown>) => Promise<void>,
  ): void {
    const call = new EdgeCall(raw, method.path, { clock: this.#options.clock, defaultDeadlineMs: Infinity });
    const stream = new EdgeStream(call, method, raw);
    this.#opened(method, 1);
    void this.#run(call, {
      work: () => handle(stream),
      succeed: () => raw.end(),
      fail: (failure) => {
        const timer = new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref());
        void Promise.race([stream.flushed(), timer]).then(() => {
          raw.emit('error', failure);
          resetLater(raw);
        });
      },
    }).finally(() => {
      this.#opened(method, -1);
    });
  }

  /** Runs a handler and ends its call exactly once. Never rejects. */
  async #run<T>(call: EdgeCall, steps: Steps<T>): Promise<void> {
    let code: status = status.OK;
    try {
      if (call.deadlineMs <= 0) {
        throw new TransportError(status.DEADLINE_EXCEEDED, 'the deadline had passed before the call was handled');
      }
      const result = await steps.work();
      if (call.settle()) {
        steps.succeed(result);
      }
    } catch (error) {
      code = this.#fail(call, error, steps.fail);
    }
    if (call.ended !== undefined) {
      code = call.ended.why === 'deadline' ? status.DEADLINE_EXCEEDED : status.CANCELLED;
    }
    this.#calls.add(1, { method: call.method, code: status[code] });
  }

  #fail(call: EdgeCall, error: unknown, send: (failure: ServiceError) => void): status {
    const waiting = call.settle();
    // After the end nobody waits for an answer, but what is no consequence of the end must still be known.
    const expected = !waiting && (error === call.ended || error instanceof HermesError);
    const failure = publicError(expected ? call.ended : error, call.method, this.#options.logger);
    if (waiting) {
      send(failure);
    }
    if (error instanceof InvariantError) {
      this.#options.onInvariant(error);
    }
    return failure.code;
  }

  #opened(method: AnyMethod, change: 1 | -1): void {
    const open = (this.#streams.get(method.path) ?? 0) + change;
    this.#streams.set(method.path, open);
    this.#open.set(open, { method: method.path });
  }
}

/** A handler, of any shape, for a method that a later release brings. */
export function notImplementedHandler(name: string): () => Promise<never> {
  return () => Promise.reject(notImplemented(name));
}
