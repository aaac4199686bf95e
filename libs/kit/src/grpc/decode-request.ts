import { status } from '@grpc/grpc-js';
import { HermesError } from '@hermes/contracts';
import { type Method } from './handlers.js';
import { TransportError } from './public-error.js';

/** Decodes here, not in grpc-js: what a codec refuses by contract keeps its reason, garbage is INTERNAL. */
export function decodeRequest<Request>(method: Method<Request, never>, bytes: Buffer): Request {
  try {
    return method.requestDeserialize(bytes);
  } catch (error) {
    if (error instanceof HermesError) {
      throw error;
    }
    throw new TransportError(status.INTERNAL, `not a valid request for ${method.path}`, { cause: error });
  }
}
