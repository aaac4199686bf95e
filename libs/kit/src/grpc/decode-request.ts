import { status } from '@grpc/grpc-js';
import { HermesError, invalidField, LIMITS, WireError } from '@hermes/contracts';
import { type Method } from './handlers.js';
import { TransportError } from './public-error.js';

/** Decodes here, not in grpc-js: what a codec refuses by contract keeps its reason, garbage is INTERNAL. */
export function decodeRequest<Request>(method: Method<Request, never>, bytes: Buffer): Request {
  const { requestStream, requestBytesMax = LIMITS.requestBytes } = method;
  // Streams are bounded by what they may carry, frame by frame.
  if (!requestStream && bytes.length > requestBytesMax) {
    throw invalidField('request', `at most ${requestBytesMax} bytes`);
  }
  try {
    return method.requestDeserialize(bytes);
  } catch (error) {
    if (error instanceof HermesError) {
      throw error;
    }
    const why = error instanceof WireError ? `: ${error.message}` : '';
    throw new TransportError(status.INTERNAL, `not a valid request for ${method.path}${why}`, { cause: error });
  }
}
