// Loads the empty server; gives messages (or calls) per second and their spread.
import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { CALLS_IN_FLIGHT, FRAME_MESSAGES, FRAMES_IN_FLIGHT, publishFrame } from '../shapes.mjs';
import { countPerSecond } from './rate.mjs';
import { emptyService } from './empty-server.mjs';

const Client = grpc.makeGenericClientConstructor(emptyService, 'bench.Empty');

const loads = {
  frames: (client, count) => {
    const call = client.frames();
    const request = publishFrame('bench');
    const send = () => call.write(Buffer.from(contracts.encodePublishRequest(request)));
    call.on('data', () => {
      count(FRAME_MESSAGES);
      send();
    });
    call.on('error', () => undefined);
    for (let i = 0; i < FRAMES_IN_FLIGHT; i += 1) {
      send();
    }
  },
  served: (client, count) => {
    const call = client.served(Buffer.alloc(0));
    call.on('data', () => count(FRAME_MESSAGES));
    call.on('error', () => undefined);
  },
  unary: (client, count) => {
    const request = Buffer.alloc(1100);
    const send = () =>
      client.unary(request, (error) => {
        if (!error) {
          count(1);
          send();
        }
      });
    for (let i = 0; i < CALLS_IN_FLIGHT; i += 1) {
      send();
    }
  },
};

export async function run({ kind, port, warmUpMs, measureMs }) {
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const measured = await countPerSecond((count) => loads[kind](client, count), { warmUpMs, measureMs });
  client.close();
  return measured;
}
