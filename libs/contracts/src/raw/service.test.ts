import { credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { Durability, Message, MessagingServiceClient, type PublishResponse } from '../messaging.js';
import { RawMessagingClient } from './client.js';
import { type RawPublishRequest } from './publish.js';
import { RawMessagingService } from './service.js';
import { type RawSubscribeResponse } from './subscribe.js';

const message = Message.encode({ ...Message.decode(new Uint8Array(0)), key: 'k', body: Buffer.from('hello') }).finish();

/** A server that stores nothing: it answers with what it read. */
async function serve(): Promise<{ server: Server; address: string }> {
  const server = new Server();
  server.addService(RawMessagingService, {
    publish: (call: { request: RawPublishRequest }, callback: (error: null, response: PublishResponse) => void) => {
      const results = call.request.messages.map((bytes) => ({
        outcome: { $case: 'messageId' as const, value: Message.decode(bytes).key },
        durability: Durability.DURABLE,
        duplicate: false,
      }));
      callback(null, { results });
    },
    subscribe: (call: { write: (response: RawSubscribeResponse) => void; end: () => void }) => {
      const place = { partition: 1, lane: 0, offset: 7, attempt: 1, redelivered: false, fencingToken: 0 };
      const delivery = { ...place, receipt: Buffer.from('r'), message, publishedAtMs: 1_500 };
      call.write({ frame: { $case: 'batch', value: { sequence: 1, deliveries: [delivery] } } });
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  return { server, address: `127.0.0.1:${port}` };
}

describe('RawMessagingService', () => {
  let server: Server;
  let raw: RawMessagingClient;
  let generated: MessagingServiceClient;

  beforeAll(async () => {
    const served = await serve();
    server = served.server;
    raw = new RawMessagingClient(served.address, credentials.createInsecure());
    generated = new MessagingServiceClient(served.address, credentials.createInsecure());
  });

  afterAll(() => {
    raw.close();
    generated.close();
    server.forceShutdown();
  });

  const publish = (request: RawPublishRequest): Promise<PublishResponse> =>
    new Promise((resolve, reject) => {
      raw.publish(request, new Metadata(), { deadline: Date.now() + 5_000 }, (error, response) => {
        if (error === null) {
          resolve(response);
        } else {
          reject(error);
        }
      });
    });

  it('serves raw clients', async () => {
    const { results } = await publish({ topic: 'orders', messages: [message, message] });
    expect(results.map(({ outcome }) => outcome?.value)).toEqual(['k', 'k']);
  });

  it('serves generated clients the same', async () => {
    const stream = generated.subscribe({ topic: 'orders', group: 'g', consumer: 'c', claims: [] });
    const frames = [];
    for await (const frame of stream) {
      frames.push(frame);
    }
    const value = {
      sequence: 1,
      deliveries: [expect.objectContaining({ message: Message.decode(message), offset: 7 })],
    };
    expect(frames).toEqual([{ frame: { $case: 'batch', value } }]);
  });

  it('answers a damaged request with INTERNAL', async () => {
    const { path } = RawMessagingService.publish;
    const error = await new Promise<ServiceError | null>((resolve) => {
      raw.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.from([0x0a, 9]),
        resolve,
      );
    });
    expect(error?.code).toBe(status.INTERNAL);
  });
});
