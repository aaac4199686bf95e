import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  AdminServiceClient,
  AdminServiceService,
  CoordinationServiceClient,
  CoordinationServiceService,
} from '@hermes/contracts';
import {
  createGrpcServer,
  createLogger,
  createMetrics,
  type GrpcServer,
  type GrpcServerOptions,
  type Handlers,
  type Metrics,
  notImplementedHandler,
} from '../src/index.js';

type Admin = Handlers<typeof AdminServiceService>;
type Coordination = Handlers<typeof CoordinationServiceService>;

/** A real server on a free port, its clients, and what it logged. */
export interface EdgeHarness extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly port: number;
  readonly metrics: Metrics;
  readonly logs: Record<string, unknown>[];
  readonly admin: AdminServiceClient;
  readonly coordination: CoordinationServiceClient;
}

/** Starts a server where all but the given handlers are not implemented. */
export async function startEdge(
  handlers: Partial<Admin & Coordination>,
  options: Partial<GrpcServerOptions> = {},
): Promise<EdgeHarness> {
  const logs: Record<string, unknown>[] = [];
  const logger = createLogger({
    component: 'test',
    level: 'debug',
    destination: { write: (line) => logs.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const metrics = createMetrics('test');
  const server = createGrpcServer({ logger, metrics, ...options });
  const absent = <S extends object>(service: S): Handlers<S> =>
    Object.fromEntries(
      Object.keys(service).map((name) => [name, notImplementedHandler(name)]),
    ) as unknown as Handlers<S>;
  server.add(AdminServiceService, { ...absent(AdminServiceService), ...handlers });
  server.add(CoordinationServiceService, { ...absent(CoordinationServiceService), ...handlers });
  const port = await server.listen('127.0.0.1', 0);
  const address = `127.0.0.1:${port}`;
  const admin = new AdminServiceClient(address, credentials.createInsecure());
  const coordination = new CoordinationServiceClient(address, credentials.createInsecure());
  const clients: Client[] = [admin, coordination];
  return {
    server,
    port,
    metrics,
    logs,
    admin,
    coordination,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) {
        client.close();
      }
      await server.stop(0);
    },
  };
}

/** The outcome of a unary call as a promise. */
export function unary<T>(call: (callback: (error: ServiceError | null, value: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === null) {
        resolve(value);
      } else {
        reject(error);
      }
    });
  });
}

/** What ended a call, when it must have failed. */
export async function failure(outcome: Promise<unknown>): Promise<ServiceError> {
  try {
    await outcome;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the call succeeded');
}

/** A handler's work that ends only with its call. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

/** A unary call of any bytes to any path. */
export function rawUnary(port: number, path: string, bytes: Buffer): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const identity = (value: Buffer): Buffer => value;
  return unary<Buffer>((done) => client.makeUnaryRequest(path, identity, identity, bytes, done as never)).finally(
    () => {
      client.close();
    },
  );
}
