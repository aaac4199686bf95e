import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, createServer } from 'node:http2';
import { type AddressInfo } from 'node:net';

import { CoordinationServiceService, HermesError } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { startEdge } from '../../test/edge-harness.js';
import { resetLater } from './reset-later.js';

/** Longer than a stream may linger at its end, by far. */
const SOON = { deadlineMs: 25_000 };
const UNREAD = Buffer.alloc(1_000_000);

describe('a stream that has failed, and that its peer does not end', () => {
  let session: ClientHttp2Session;

  const begin = (port: number, path: string): ClientHttp2Stream => {
    session = connect(`http://127.0.0.1:${port}`);
    const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request({ ...headers, ':path': path });
    stream.on('error', () => undefined);
    return stream;
  };

  afterEach(() => {
    session.destroy();
  });

  it('is reset where that goes on sending, and had its error before', async () => {
    await using edge = await startEdge({
      holdBrokerLease: () => Promise.reject(new HermesError('BACKPRESSURE', 'too much')),
    });
    const stream = begin(edge.port, CoordinationServiceService.holdBrokerLease.path);
    let status: unknown;
    stream.on('response', (headers) => {
      status = headers['grpc-status'];
    });
    stream.resume();
    const message = Buffer.alloc(5);
    await eventually(() => {
      stream.write(message);
      expect(stream.closed).toBe(true);
    }, SOON);
    expect([status, stream.rstCode]).toEqual(['8', constants.NGHTTP2_NO_ERROR]);
  });

  it('is reset, with all that was to be read, where that reads nothing for long', async () => {
    const server = createServer();
    const ends: number[] = [];
    server.on('stream', (stream) => {
      stream.on('close', () => ends.push(stream.rstCode));
      stream.on('error', () => undefined);
      stream.respond();
      stream.end(UNREAD);
      resetLater({ call: { stream } }, { endMs: 10, readMs: 500 });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const stream = begin((server.address() as AddressInfo).port, '/');
    await eventually(() => {
      expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }, SOON);
    expect(ends).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    session.destroy();
    server.close();
  });
});
