import { type Cluster, type Environment } from '@hermes/client/cluster';
import { AdminServiceService } from '@hermes/contracts';
import { type Handlers } from '@hermes/kit';
import { limitsOf } from './call-limits.js';

interface BytesMethod {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: false;
  readonly requestSerialize: (bytes: Buffer) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Buffer;
  readonly responseSerialize: (bytes: Buffer) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Buffer;
}

/** AdminService with requests and responses as bytes: a gateway looks into neither. */
export type BytesAdminService = Readonly<Record<keyof typeof AdminServiceService, BytesMethod>>;

const same = (bytes: Buffer): Buffer => bytes;
const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

/** The service at the same paths as the generated one. */
export const bytesAdminService = Object.fromEntries(
  Object.entries(AdminServiceService).map(([name, { path }]): [string, BytesMethod] => [
    name,
    { path, requestStream: false, responseStream: false, ...codec },
  ]),
) as BytesAdminService;

/** Forwards every call to the leading meta-server; deadline, cancelling and error details pass through. */
export function adminService(cluster: Cluster, environment: Environment): Handlers<BytesAdminService> {
  return Object.fromEntries(
    Object.entries(bytesAdminService).map(([name, method]) => [
      name,
      (request: Buffer, call: Parameters<Handlers<BytesAdminService>['getTopic']>[1]) =>
        cluster.admin(method, request, limitsOf(call, environment)),
    ]),
  ) as unknown as Handlers<BytesAdminService>;
}
