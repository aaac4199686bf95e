import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  makeGenericClientConstructor,
  type Metadata,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { RawMessagingService, RawPartitionService } from './service.js';

/** A method as a ServiceDefinition describes it. */
interface Method<Req, Res> {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: Req) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Res;
}

type UnaryCall<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: CallOptions,
  callback: (error: ServiceError | null, response: Res) => void,
) => ClientUnaryCall;

type ServerStreamCall<Req, Res> = (request: Req, metadata: Metadata, options: CallOptions) => ClientReadableStream<Res>;

type BidiCall<Req, Res> = (metadata: Metadata, options: CallOptions) => ClientDuplexStream<Req, Res>;

type CallOf<M> =
  M extends Method<infer Req, infer Res>
    ? M extends { requestStream: true }
      ? BidiCall<Req, Res>
      : M extends { responseStream: true }
        ? ServerStreamCall<Req, Res>
        : UnaryCall<Req, Res>
    : never;

/** A grpc-js client of a service, in its one explicit form of each call. */
export type ClientOf<S> = Client & { readonly [Name in keyof S]: CallOf<S[Name]> };

/** Makes clients of one service. */
export type ClientConstructor<S> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: ClientOptions,
) => ClientOf<S>;

function clientOf<S extends ServiceDefinition>(service: S, name: string): ClientConstructor<S> {
  return makeGenericClientConstructor(service, name) as unknown as ClientConstructor<S>;
}

/** Client of RawMessagingService. */
export const RawMessagingClient = clientOf(RawMessagingService, 'hermes.messaging.v1.MessagingService');
/** An instance of RawMessagingClient. */
export type RawMessagingClient = ClientOf<typeof RawMessagingService>;

/** Client of RawPartitionService. */
export const RawPartitionClient = clientOf(RawPartitionService, 'hermes.admin.v1.PartitionService');
/** An instance of RawPartitionClient. */
export type RawPartitionClient = ClientOf<typeof RawPartitionService>;
