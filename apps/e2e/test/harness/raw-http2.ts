import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';

export const HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' } as const;

/** gRPC's frame of one message. */
export function frameOf(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** One request without any gRPC library; gives headers and trailers together, none of them if the stream was reset. */
export function requestRaw(
  endpoint: string,
  headers: OutgoingHttpHeaders,
  body?: Buffer,
): Promise<IncomingHttpHeaders> {
  return new Promise((resolve) => {
    const session = connect(`http://${endpoint}`);
    const answer: IncomingHttpHeaders = {};
    const stream = session.request({ ...HEADERS, ...headers });
    for (const event of ['response', 'trailers']) {
      stream.on(event, (got: object) => {
        Object.assign(answer, got);
      });
    }
    stream.on('error', () => undefined);
    stream.on('close', () => {
      session.close();
      resolve(answer);
    });
    stream.resume();
    stream.end(body);
  });
}

/** The status that an answer ends with. */
export function statusOf(answer: IncomingHttpHeaders): StatusObject {
  const { 'grpc-status': code, 'grpc-message': details = '' } = answer;
  const metadata = Metadata.fromHttp2Headers(answer);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- The numbers of gRPC are the enum's.
  return { code: Number(code), details: String(details), metadata };
}
