// A grpc-js server that does nothing with what it gets: what gRPC itself costs.
import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { publishFrame } from '../shapes.mjs';

const identity = (bytes) => bytes;
const method = (path, requestStream, responseStream) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});

export const emptyService = {
  unary: method('/bench.Empty/Unary', false, false),
  frames: method('/bench.Empty/Frames', true, true),
  served: method('/bench.Empty/Served', false, true),
};

const answer = Buffer.alloc(16);

/** Serves until the parent ends it; reports its port when ready. */
export async function run(_args, { ready }) {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 10 << 20 });
  const frame = Buffer.from(contracts.encodePublishRequest(publishFrame('bench')));
  server.addService(emptyService, {
    unary: (_call, callback) => callback(null, answer),
    frames: (call) => {
      call.on('data', () => call.write(answer));
      call.on('end', () => call.end());
    },
    served: (call) => {
      const push = () => {
        while (!call.cancelled && call.write(frame)) {
          // As fast as flow control lets it.
        }
      };
      call.on('drain', push);
      push();
    },
  });
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  ready(port);
  await new Promise(() => undefined);
}
