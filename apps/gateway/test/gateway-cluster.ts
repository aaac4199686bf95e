import { credentials, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import {
  fromServiceError,
  type HermesError,
  Message,
  type PublishResponse,
  RawMessagingClient,
  type RawPublishRequest,
  type RawSubscribeResponse,
  statusToError,
  SubscribeRequest,
} from '@hermes/contracts';
import { silentLogger } from '@hermes/kit';
import { type Gateway, gatewayConfig, startGateway } from '../src/index.js';
import { FakeBroker, FakeMeta } from './fake-cluster.js';

/** Without any of ours. */
export const metadata = new Metadata();
/** A deadline. */
export const options = (withinMs = 5_000): { deadline: number } => ({ deadline: Date.now() + withinMs });
/** An encoded message. */
export const message = (body: string, key = ''): Uint8Array =>
  Message.encode({ ...Message.create(), body: Buffer.from(body), key }).finish();

type Callback<T> = (error: Error | null, response: T) => void;

/** What a unary call answers. */
export const answered = <T>(call: (callback: Callback<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(fromServiceError(error));
      }
    });
  });

/** What became of each message: `messageId`, or the code of its error. */
export const codesOf = ({ results }: PublishResponse): string[] =>
  results.map(({ outcome }) =>
    outcome?.$case === 'error' ? statusToError(outcome.value).code : (outcome?.$case ?? ''),
  );

/** A subscription, as far as its subscriber has seen it. */
export interface Subscribed {
  readonly frames: RawSubscribeResponse[];
  readonly error: () => HermesError | undefined;
  readonly stream: ClientReadableStream<RawSubscribeResponse>;
}

/** A gateway in front of a meta-server and two brokers: partitions 0 and 2 of topic `t` at the first, 1 at the other. */
export class GatewayCluster {
  readonly meta = new FakeMeta();
  readonly brokers: readonly [FakeBroker, FakeBroker] = [new FakeBroker(), new FakeBroker()];
  gateway!: Gateway;
  client!: RawMessagingClient;
  readonly #opened: ClientReadableStream<RawSubscribeResponse>[] = [];

  async start(): Promise<void> {
    const { meta, brokers } = this;
    await Promise.all([meta, ...brokers].map((server) => server.listen()));
    brokers[0].partitions = [0, 2];
    brokers[1].partitions = [1];
    meta.topics.set('t', [brokers[0].endpoint, brokers[1].endpoint, brokers[0].endpoint]);
    const config = gatewayConfig.parse({ gatewayPort: 0, gatewayOpsPort: 0, metaServers: [meta.endpoint] });
    this.gateway = await startGateway(config, { logger: silentLogger });
    this.client = new RawMessagingClient(this.gateway.endpoint, credentials.createInsecure());
  }

  async stop(): Promise<void> {
    for (const stream of this.#opened) {
      stream.cancel();
    }
    this.client.close();
    await this.gateway.stop({ deadlineMs: 0 });
    await Promise.all([this.meta, ...this.brokers].map((server) => server.kill()));
  }

  /** Bytes of messages that wait for their owners, as its metrics tell. */
  async queuedBytes(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.gateway.opsPort}/metrics`);
    const line = /^hermes_gateway_publish_queue_bytes (\d+)/m.exec(await response.text());
    return Number(line?.[1]);
  }

  publish(request: RawPublishRequest, withinMs?: number): Promise<PublishResponse> {
    return answered((callback) => this.client.publish(request, metadata, options(withinMs), callback));
  }

  subscribe(over: Partial<SubscribeRequest> = {}): Subscribed {
    const request = { ...SubscribeRequest.create(), topic: 't', group: 'g', consumer: 'c', ...over };
    const stream = this.client.subscribe(request, metadata, {});
    const frames: RawSubscribeResponse[] = [];
    let error: HermesError | undefined;
    this.#opened.push(stream);
    stream.on('data', (frame: RawSubscribeResponse) => frames.push(frame));
    stream.on('error', (thrown) => {
      error = fromServiceError(thrown);
    });
    return { frames, error: () => error, stream };
  }
}
