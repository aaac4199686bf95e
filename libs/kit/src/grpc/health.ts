import { service } from 'grpc-health-check';
import { TransportError } from './public-error.js';
import { type Handlers, type Method, type ResponseStream } from './handlers.js';
import { status } from '@grpc/grpc-js';

type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

interface HealthRequest {
  readonly service: string;
}

interface HealthResponse {
  readonly status: ServingStatus;
}

interface HealthListResponse {
  readonly statuses: Record<string, HealthResponse>;
}

type HealthMethod<Request, Response, Streams extends boolean> = Method<Request, Response> & {
  readonly requestStream: false;
  readonly responseStream: Streams;
};

/** grpc.health.v1, typed; the definition itself is grpc-health-check's. */
// A type, not an interface: only a type has the index signature that `Service` asks for.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type HealthService = {
  readonly Check: HealthMethod<HealthRequest, HealthResponse, false>;
  readonly List: HealthMethod<Record<string, never>, HealthListResponse, false>;
  readonly Watch: HealthMethod<HealthRequest, HealthResponse, true>;
};

/** The name of the whole server. */
const OVERALL = '';

/** Serving states by service name; "" is serving when all are. Watchers are told of changes until `close`. */
export class Health {
  readonly #serving = new Map<string, boolean>();
  readonly #watchers = new Set<() => void>();
  #closed = false;

  static readonly service = service as unknown as HealthService;

  readonly handlers: Handlers<HealthService> = {
    Check: (request) => {
      const found = this.#status(request.service);
      return found === 'SERVICE_UNKNOWN'
        ? Promise.reject(new TransportError(status.NOT_FOUND, 'no such service at this server'))
        : Promise.resolve({ status: found });
    },
    List: () => {
      const names = [OVERALL, ...this.#serving.keys()];
      return Promise.resolve({ statuses: Object.fromEntries(names.map((n) => [n, { status: this.#status(n) }])) });
    },
    Watch: (request, stream) => this.#watch(request.service, stream),
  };

  /** Sets one service, which makes it known. */
  set(name: string, serving: boolean): void {
    this.#serving.set(name, serving);
    this.#wake();
  }

  /** Nothing is serving any more, and watches end: a stop must not wait for them. */
  close(): void {
    for (const name of this.#serving.keys()) {
      this.#serving.set(name, false);
    }
    this.#closed = true;
    this.#wake();
  }

  #status(name: string): ServingStatus {
    const serving = name === OVERALL ? [...this.#serving.values()].every(Boolean) : this.#serving.get(name);
    return serving === undefined ? 'SERVICE_UNKNOWN' : serving ? 'SERVING' : 'NOT_SERVING';
  }

  async #watch(name: string, stream: ResponseStream<HealthResponse>): Promise<void> {
    let told: ServingStatus | undefined;
    const ended = new Promise<'ended'>((resolve) => {
      stream.signal.addEventListener('abort', () => {
        resolve('ended');
      });
    });
    while (!stream.signal.aborted) {
      const current = this.#status(name);
      if (current !== told && !stream.write({ status: current })) {
        await stream.drained();
      }
      told = current;
      if (this.#closed) {
        return;
      }
      await Promise.race([this.#changed(), ended]);
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.add(resolve);
    });
  }

  #wake(): void {
    for (const wake of this.#watchers) {
      wake();
    }
    this.#watchers.clear();
  }
}
