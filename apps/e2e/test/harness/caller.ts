import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
  type StatusObject,
} from '@grpc/grpc-js';
import { fromServiceError, type HermesError } from '@hermes/contracts';
import { once } from 'node:events';

/** A method as generated code describes it. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** What a server said: OK, or a status with what explains it. */
export interface Answer {
  readonly status: string;
  /** Of ErrorInfo; without one, gRPC itself has spoken. */
  readonly reason?: string;
  /** Of BadRequest. */
  readonly field?: string;
  readonly limit?: string;
}

export const OK: Answer = { status: 'OK' };

/** INVALID_FIELD with a BadRequest that names field and limit. */
export function invalid(field: string, limit: string): Answer {
  return { status: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', field, limit };
}

/** Above all limits, so that servers see what a careless client sends; each caller on a connection of its own. */
const OPTIONS: ChannelOptions = {
  'grpc.max_send_message_length': -1,
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
};
const DEADLINE_MS = 20_000;
/** Statuses whose trailers say nothing carry no reason, whatever a client makes of them. */
const DETAILS = 'grpc-status-details-bin';

const same = (bytes: Buffer): Buffer => bytes;

/** Calls one server as any client might, also with bytes that are no request. */
export class Caller implements Disposable {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), OPTIONS);
  }

  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: CallOptions,
    metadata?: Metadata,
  ): Promise<Response> {
    const bytes = method.requestSerialize(request);
    return this.send(method.path, bytes, options, metadata).then((answer) => method.responseDeserialize(answer));
  }

  send(path: string, bytes: Buffer, options: CallOptions = {}, metadata = new Metadata()): Promise<Buffer> {
    const withDeadline = { deadline: Date.now() + DEADLINE_MS, ...options };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, same, same, bytes, metadata, withDeadline, (error, answer) => {
        if (error === null) {
          resolve(answer ?? Buffer.alloc(0));
        } else {
          reject(error);
        }
      });
    });
  }

  /** The first frame of a stream, which is then cancelled; undefined if it ends without one. */
  firstFrame<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response | undefined> {
    const { path, requestSerialize, responseDeserialize } = method;
    const options = { deadline: Date.now() + DEADLINE_MS };
    return first(
      this.#client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        options,
      ),
    );
  }

  /** Says `frames` on a stream of both directions and gives its first answer, or undefined if it ends without one. */
  converse<Request, Response>(
    method: Method<Request, Response>,
    frames: readonly (Request | Buffer)[],
  ): Promise<Response | undefined> {
    return first(this.#say(method, frames));
  }

  /** The same, whatever is answered: how the stream ends. */
  async converseToEnd<Request, Response>(
    method: Method<Request, Response>,
    frames: readonly (Request | Buffer)[],
  ): Promise<void> {
    const stream = this.#say(method, frames);
    stream.resume();
    await once(stream, 'end');
  }

  /** Says `frames` on a stream of both directions that stays open, once it has been answered, until it is disposed. */
  async hold<Request, Response>(
    method: Method<Request, Response>,
    frames: readonly (Request | Buffer)[],
  ): Promise<Disposable> {
    const stream = this.#begin(method, frames);
    await once(stream, 'data');
    stream.on('error', () => undefined);
    return {
      [Symbol.dispose]: () => {
        stream.cancel();
      },
    };
  }

  /** Opens a stream of both directions that says `frames` first, nobody reads, and the test ends. */
  open<Request, Response>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    frames: readonly (Request | Buffer)[] = [],
    options: CallOptions = {},
  ): ClientDuplexStream<Request | Buffer, Response> {
    const encode = (frame: Request | Buffer): Buffer => (Buffer.isBuffer(frame) ? frame : requestSerialize(frame));
    const stream = this.#client.makeBidiStreamRequest(path, encode, responseDeserialize, new Metadata(), options);
    for (const frame of frames) {
      stream.write(frame);
    }
    return stream;
  }

  #say<Request, Response>(
    method: Method<Request, Response>,
    frames: readonly (Request | Buffer)[],
  ): ClientDuplexStream<Request | Buffer, Response> {
    const stream = this.#begin(method, frames);
    stream.end();
    return stream;
  }

  #begin<Request, Response>(
    method: Method<Request, Response>,
    frames: readonly (Request | Buffer)[],
  ): ClientDuplexStream<Request | Buffer, Response> {
    return this.open(method, frames, { deadline: Date.now() + DEADLINE_MS });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function first<Response>(stream: Pick<ClientReadableStream<Response>, 'on' | 'cancel'>): Promise<Response | undefined> {
  return new Promise((resolve, reject) => {
    stream.on('data', (frame: Response) => {
      resolve(frame);
      stream.cancel();
    });
    stream.on('error', reject);
    stream.on('end', () => {
      resolve(undefined);
    });
  });
}

/** How a stream ends, whatever it said before; it is read from now on. */
export function endOf(stream: ClientDuplexStream<never, unknown>): Promise<Answer> {
  stream.resume();
  return answerOf(once(stream, 'end'));
}

/** How a call ended. */
export async function answerOf(call: Promise<unknown>): Promise<Answer> {
  try {
    await call;
    return OK;
  } catch (thrown) {
    return answerOfStatus(thrown as ServiceError);
  }
}

/** The same of the status that it ended with. */
export function answerOfStatus(ended: StatusObject): Answer {
  const isExplained = ended.metadata.get(DETAILS).length > 0;
  return isExplained ? explained(fromServiceError(ended)) : { status: status[ended.code] };
}

/** The same of an error that stands for one entry of a request. */
export function explained(error: HermesError): Answer {
  const [violation] = error.violations;
  return {
    status: status[error.status],
    reason: error.code,
    ...(violation === undefined ? {} : { field: violation.field, limit: violation.description }),
  };
}
