// Single unary publishes straight to one broker, always the same number in flight.
import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { CALLS_IN_FLIGHT, encodedMessage, PARTITIONS } from '../shapes.mjs';
import { countPerSecond } from '../parts/rate.mjs';

export function run({ endpoint, topic, warmUpMs, measureMs }) {
  const client = new contracts.RawMessagingClient(endpoint, grpc.credentials.createInsecure());
  const load = (count) => {
    const send = (partition) =>
      client.publish({ topic, messages: [encodedMessage], partition }, new grpc.Metadata(), {}, (error, response) => {
        if (error || response.results[0].outcome.$case !== 'messageId') {
          throw error ?? new Error('a publish was refused');
        }
        count(1);
        send((partition + 1) % PARTITIONS);
      });
    for (let i = 0; i < CALLS_IN_FLIGHT; i += 1) {
      send(i % PARTITIONS);
    }
  };
  return countPerSecond(load, { warmUpMs, measureMs });
}
