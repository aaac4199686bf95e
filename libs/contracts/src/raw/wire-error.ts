/** The bytes are not a well-formed protobuf message. On a server, gRPC answers INTERNAL. */
export class WireError extends Error {
  override readonly name = 'WireError';
}
