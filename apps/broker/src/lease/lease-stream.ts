import { type ChannelCredentials, type ClientDuplexStream, type ClientOptions } from '@grpc/grpc-js';
import {
  CoordinationServiceClient,
  fromServiceError,
  HermesError,
  type HoldBrokerLeaseRequest,
  type HoldBrokerLeaseResponse,
} from '@hermes/contracts';

/** What the broker says on its lease stream. */
export type BrokerSays = NonNullable<HoldBrokerLeaseRequest['kind']>;

/** What the meta-server says. */
export type MetaSays = NonNullable<HoldBrokerLeaseResponse['kind']>;

export interface LeaseStreamOptions {
  readonly endpoint: string;
  readonly credentials: ChannelCredentials;
  /** How often a quiet connection is probed: a third of the lease's length. */
  readonly keepaliveMs: number;
  readonly onMessage: (message: MetaSays) => void;
  /** Told once; never after `close`. */
  readonly onEnd: (error: HermesError) => void;
}

/**
 * One HoldBrokerLease stream on a channel of its own: nothing else can delay its heartbeats, and it lives until one
 * side ends it.
 */
export class LeaseStream {
  readonly endpoint: string;
  readonly #client: CoordinationServiceClient;
  readonly #call: ClientDuplexStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>;
  #open = true;

  constructor(options: LeaseStreamOptions) {
    this.endpoint = options.endpoint;
    this.#client = new CoordinationServiceClient(
      options.endpoint,
      options.credentials,
      channelOptions(options.keepaliveMs),
    );
    this.#call = this.#client.holdBrokerLease();
    this.#call.on('data', ({ kind }: HoldBrokerLeaseResponse) => {
      if (this.#open && kind !== undefined) {
        options.onMessage(kind);
      }
    });
    const end = (error: HermesError): void => {
      if (this.#open) {
        this.close();
        options.onEnd(error);
      }
    };
    this.#call.on('error', (error: unknown) => {
      end(fromServiceError(error));
    });
    this.#call.on('end', () => {
      end(new HermesError('NO_LEADER', 'the meta-server ended the lease stream'));
    });
  }

  /** Dropped when the stream has ended: what is said again is part of the next register. */
  send(kind: BrokerSays): void {
    if (this.#open) {
      this.#call.write({ kind });
    }
  }

  /** Says goodbye in order: what was sent before arrives, and the stream's end is no failure. Idempotent. */
  finish(): void {
    if (this.#open) {
      this.#open = false;
      this.#call.end();
      this.#call.on('error', () => undefined);
      this.#call.once('status', () => {
        this.#client.close();
      });
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#open) {
      this.#open = false;
      this.#call.cancel();
      this.#client.close();
    }
  }
}

function channelOptions(keepaliveMs: number): ClientOptions {
  return {
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.keepalive_permit_without_calls': 1,
    // Channels to one address share a connection in grpc-js unless told otherwise.
    'grpc.use_local_subchannel_pool': 1,
  };
}
