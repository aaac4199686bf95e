import { type Metadata } from '@grpc/grpc-js';

/** One call, as a handler sees it. */
export interface Call {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly metadata: Metadata;
  /** Address of the other side of the connection. */
  readonly peer: string;
  /** Aborts when the caller cancels, its connection is lost or the deadline passes; never after a normal end. */
  readonly signal: AbortSignal;
  /** Time left until the deadline, 0 when passed; Infinity for streams that were given none. */
  readonly deadlineMs: number;
}

/** The answering half of a stream. It ends with its handler: OK on return, the thrown error otherwise. */
export interface ResponseStream<Response> extends Call {
  /**
   * Sends a frame. False: enough is buffered, wait for `drained()` before the next one (this one is sent all the
   * same). After the call's end frames are dropped and the answer is false.
   */
  write(frame: Response): boolean;
  /** Resolves once there is room again; rejects with the signal's reason when the call ends first. */
  drained(): Promise<void>;
  /** Bytes written that the transport has not taken yet: the peer reads too slowly for them. */
  readonly bufferedBytes: number;
}

/** Both halves. Iterate to read requests; nothing is read ahead of the iteration but a few messages. */
export interface BidiStream<Request, Response> extends ResponseStream<Response>, AsyncIterable<Request> {}

/** Answers one request. */
export type UnaryHandler<Request, Response> = (request: Request, call: Call) => Promise<Response>;

/** Answers one request with a stream of frames. */
export type ServerStreamHandler<Request, Response> = (
  request: Request,
  stream: ResponseStream<Response>,
) => Promise<void>;

/** Answers a stream of requests with a stream of frames. */
export type BidiHandler<Request, Response> = (stream: BidiStream<Request, Response>) => Promise<void>;

/** What is needed of a generated (or raw) method definition. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (value: Response) => Buffer;
  /** The most that a single request may have; the contract's limit if unset. Methods that carry messages have more. */
  readonly requestBytesMax?: number;
}

/** Any service definition: that of ts-proto's `XService` constants, and raw ones of the same shape. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the only bound that every method type meets.
export type Service = Readonly<Record<string, Method<any, any>>>;

type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer Request } ? Request : never;
type ResponseOf<M> = M extends { responseSerialize: (value: infer Response) => Buffer } ? Response : never;

/** The handler type of one method. */
export type Handler<M> = M extends { requestStream: true; responseStream: true }
  ? BidiHandler<RequestOf<M>, ResponseOf<M>>
  : M extends { requestStream: false; responseStream: true }
    ? ServerStreamHandler<RequestOf<M>, ResponseOf<M>>
    : M extends { requestStream: false; responseStream: false }
      ? UnaryHandler<RequestOf<M>, ResponseOf<M>>
      : never;

/** One handler for each method of a service. */
export type Handlers<S> = { readonly [M in keyof S]: Handler<S[M]> };
