import { dirname, join } from 'node:path';

import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';

import { Cluster } from './harness/cluster.js';

interface ReflectionRequest {
  readonly host?: string;
  readonly list_services?: string;
  readonly file_containing_symbol?: string;
}

interface ReflectionResponse {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
}

const PROTOS = join(dirname(require.resolve('@grpc/reflection/package.json')), 'build', 'proto', 'grpc', 'reflection');

/** Asks a server about itself, as grpcurl does. */
function reflect(endpoint: string, version: 'v1' | 'v1alpha', request: ReflectionRequest): Promise<ReflectionResponse> {
  const definition = loadSync(join(PROTOS, version, 'reflection.proto'), { keepCase: true, oneofs: true });
  const service = `grpc.reflection.${version}.ServerReflection`;
  const root = loadPackageDefinition(definition) as unknown as Record<string, unknown>;
  const Client = service.split('.').reduce<unknown>((scope, name) => (scope as Record<string, unknown>)[name], root);
  const client = new (Client as ServiceClientConstructor)(endpoint, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    const open = client['ServerReflectionInfo'] as () => ClientDuplexStream<ReflectionRequest, ReflectionResponse>;
    const call = open.call(client);
    call.on('error', reject);
    call.on('data', (response: ReflectionResponse) => {
      resolve(response);
      call.end();
      client.close();
    });
    call.write(request);
  });
}

/** A client of a service made from what the server's reflection says, and of nothing else. */
async function clientByReflection(endpoint: string, service: string): Promise<Record<string, CallByName>> {
  const response = await reflect(endpoint, 'v1', { file_containing_symbol: service });
  const files = response.file_descriptor_response?.file_descriptor_proto ?? [];
  const definition = loadFileDescriptorSetFromBuffer(descriptorSet(files));
  const root = loadPackageDefinition(definition) as unknown as Record<string, unknown>;
  const Client = service.split('.').reduce<unknown>((scope, name) => (scope as Record<string, unknown>)[name], root);
  return new (Client as ServiceClientConstructor)(endpoint, credentials.createInsecure()) as unknown as Record<
    string,
    CallByName
  >;
}

type CallByName = (
  request: object,
  options: object,
  callback: (error: Error | null, response: Record<string, unknown>) => void,
) => void;

/** FileDescriptorSet is `repeated FileDescriptorProto file = 1`. */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a]), varint(file.length), file]));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) {
    bytes.push((rest & 0x7f) | 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

function call(client: Record<string, CallByName>, method: string, request: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    client[method]?.(request, { deadline: Date.now() + 20_000 }, (error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(error);
      }
    });
  });
}

describe('reflection', () => {
  it('lists the services of each server, in both versions of the protocol', async () => {
    await using cluster = await Cluster.start({ brokers: 1 });
    const expected = {
      [cluster.metaEndpoint]: ['hermes.admin.v1.AdminService', 'hermes.coordination.v1.CoordinationService'],
      [cluster.brokers[0]!.endpoint]: ['hermes.messaging.v1.MessagingService', 'hermes.admin.v1.PartitionService'],
      [cluster.gatewayEndpoint]: [
        'hermes.messaging.v1.MessagingService',
        'hermes.admin.v1.PartitionService',
        'hermes.admin.v1.AdminService',
      ],
    };
    for (const [endpoint, services] of Object.entries(expected)) {
      for (const version of ['v1', 'v1alpha'] as const) {
        const { list_services_response: list } = await reflect(endpoint, version, { list_services: '' });
        const names = list?.service.map(({ name }) => name) ?? [];
        expect(names).toEqual(expect.arrayContaining(services));
      }
    }
  });

  it('is enough to create a topic, publish and read back, as grpcurl does', async () => {
    await using cluster = await Cluster.start({ brokers: 1 });
    const admin = await clientByReflection(cluster.gatewayEndpoint, 'hermes.admin.v1.AdminService');
    const messaging = await clientByReflection(cluster.gatewayEndpoint, 'hermes.messaging.v1.MessagingService');
    await call(admin, 'CreateTopic', { topic: { name: 'by-reflection', partitions: 1 } });
    const messages = [{ body: Buffer.from('hello'), key: 'k' }];
    const { results } = await call(messaging, 'Publish', { topic: 'by-reflection', messages });
    const [result] = results as readonly { readonly messageId: string }[];
    expect(result?.messageId).toMatch(/^by-reflection\/0\/0\/\d+$/);
  });
});
