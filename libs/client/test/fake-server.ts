import { Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { HermesError, type HermesErrorOptions, type Reason, toServiceError } from '@hermes/contracts';

/** A gRPC server on a free port, killed without mercy. */
export class FakeServer {
  port = 0;
  readonly server = new Server();

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  async listen(port = 0): Promise<void> {
    this.port = await new Promise((resolve, reject) => {
      this.server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) {
          resolve(bound);
        } else {
          reject(error);
        }
      });
    });
  }

  kill(): void {
    this.server.forceShutdown();
  }
}

/** What a call ends with that is refused. */
export const fail = (
  code: Reason,
  options: Pick<HermesErrorOptions, 'details' | 'retryAfterMs' | 'violations'> = {},
): ServiceError => toServiceError(new HermesError(code, `fake ${code}`, options));
