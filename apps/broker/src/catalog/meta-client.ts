import { AdminServiceClient, CoordinationServiceClient, fromServiceError, HermesError } from '@hermes/contracts';
import { type ChannelCredentials, type ClientOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

/** A meta-server that comes back is found within a second. */
const RECONNECT: ClientOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** Time for one question to one meta-server; the next one is asked after it. */
const CALL_DEADLINE_MS = 3_000;

interface MetaServer {
  readonly endpoint: string;
  readonly admin: AdminServiceClient;
  readonly coordination: CoordinationServiceClient;
}

/** Asks the meta-servers: any of them, the one that answered last first. Lease streams have channels of their own. */
export class MetaClient {
  readonly #servers: readonly MetaServer[];
  #preferred = 0;

  /** Channels connect at the first call, not here. */
  constructor(endpoints: readonly string[], credentials: ChannelCredentials) {
    this.#servers = endpoints.map((endpoint) => ({
      endpoint,
      admin: new AdminServiceClient(endpoint, credentials, RECONNECT),
      coordination: new CoordinationServiceClient(endpoint, credentials, RECONNECT),
    }));
  }

  /** Asks until one answers; a refusal is an answer and thrown. NO_LEADER if none answers: these are reads, nothing is in doubt. */
  async ask<R>(question: (server: MetaServer, deadline: number) => Promise<R>): Promise<R> {
    let failure: HermesError | undefined;
    for (let tries = 0; tries < this.#servers.length; tries += 1) {
      const index = (this.#preferred + tries) % this.#servers.length;
      const server = this.#servers[index];
      if (server === undefined) {
        break;
      }
      try {
        const answer = await question(server, Date.now() + CALL_DEADLINE_MS);
        this.#preferred = index;
        return answer;
      } catch (error) {
        failure = fromServiceError(error);
        if (!failure.retryable) {
          throw failure;
        }
      }
    }
    throw new HermesError('NO_LEADER', 'no meta-server answers', { cause: failure });
  }

  close(): void {
    for (const server of this.#servers) {
      server.admin.close();
      server.coordination.close();
    }
  }
}

/** Turns a callback call of a generated client into a promise. */
export function unary<Q, R>(
  call: (
    request: Q,
    metadata: Metadata,
    options: { deadline: number },
    done: (error: ServiceError | null, response: R) => void,
  ) => unknown,
  request: Q,
  deadline: number,
): Promise<R> {
  return new Promise((resolve, reject) => {
    call(request, new Metadata(), { deadline }, (error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(error);
      }
    });
  });
}
