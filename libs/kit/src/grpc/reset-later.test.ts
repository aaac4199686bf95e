import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';

import { CoordinationServiceService, HermesError, type HoldBrokerLeaseResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { type EdgeHarness, startEdge } from '../../test/edge-harness.js';

/** Longer than a failed stream may linger, by far. */
const SOON = { deadlineMs: 25_000 };
const HEADERS = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };

describe('a stream that was answered, and its peer does not end', () => {
  let edge: EdgeHarness;
  let session: ClientHttp2Session;

  const begin = async (frames: number): Promise<ClientHttp2Stream> => {
    edge = await startEdge({
      holdBrokerLease: (stream) => {
        for (let nth = 0; nth < frames; nth += 1) {
          stream.write(big);
        }
        return Promise.reject(new HermesError('SLOW_CONSUMER', 'not read'));
      },
    });
    session = connect(`http://127.0.0.1:${edge.port}`);
    const stream = session.request({ ...HEADERS, ':path': CoordinationServiceService.holdBrokerLease.path });
    stream.on('error', () => undefined);
    return stream;
  };

  afterEach(async () => {
    session.destroy();
    await edge[Symbol.asyncDispose]();
  });

  it('is reset where that leaves the answer unread', async () => {
    const stream = await begin(4);
    await eventually(() => {
      expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }, SOON);
  });

  it('is reset where that goes on sending, and had its error before', async () => {
    const stream = await begin(0);
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
});

const assignment = { topic: 't', partition: 0, epoch: 1, endpoint: 'x'.repeat(500_000), revision: 1, created: true };
const big: HoldBrokerLeaseResponse = {
  kind: {
    $case: 'grant',
    value: { ttl: undefined, sequence: 0, changed: true, member: 0, assignments: [{ ...assignment, dataSource: '' }] },
  },
};
