import { join } from 'node:path';
import { credentials, makeClientConstructor, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { startEdge } from '../../test/edge-harness.js';

interface ReflectionResponse {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorCode: number };
}

interface ReflectionCall {
  write(request: object): void;
  end(): void;
  on(event: string, listener: (value: never) => void): ReflectionCall;
}

/** Asks as grpcurl does: over the wire, with the protocol's own proto file. */
async function ask(port: number, version: 'v1' | 'v1alpha', requests: object[]): Promise<ReflectionResponse[]> {
  const proto = join(require.resolve('@grpc/reflection/package.json'), '..', 'build', 'proto', 'grpc', 'reflection');
  const definition = loadSync(join(proto, version, 'reflection.proto'), { oneofs: true });
  const Reflection = makeClientConstructor(
    definition[`grpc.reflection.${version}.ServerReflection`] as never,
    'ServerReflection',
  );
  const client = new Reflection(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = (client['ServerReflectionInfo'] as () => ReflectionCall)();
  const responses: ReflectionResponse[] = [];
  const done = new Promise<void>((resolve, reject) => {
    call
      .on('data', (response) => responses.push(response))
      .on('end', () => {
        resolve();
      })
      .on('error', (error: ServiceError) => {
        reject(error);
      });
  });
  for (const request of requests) {
    call.write(request);
  }
  call.end();
  await done.finally(() => {
    client.close();
  });
  return responses;
}

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  it('lists the services of this server and describes their symbols', async () => {
    await using edge = await startEdge({});
    const [list, symbol, absent] = await ask(edge.port, version, [
      { listServices: '*' },
      { fileContainingSymbol: 'hermes.admin.v1.AdminService' },
      { fileContainingSymbol: 'hermes.nothing' },
    ]);
    expect(list?.listServicesResponse?.service.map(({ name }) => name)).toEqual([
      'hermes.admin.v1.AdminService',
      'hermes.coordination.v1.CoordinationService',
    ]);
    expect(symbol?.fileDescriptorResponse?.fileDescriptorProto.length).toBeGreaterThan(1);
    expect(absent?.errorResponse?.errorCode).toBe(status.NOT_FOUND);
  });

  it('names types in full, as strict clients want it, and gives the files that define them', async () => {
    await using edge = await startEdge({});
    const [symbol] = await ask(edge.port, version, [{ fileContainingSymbol: 'hermes.admin.v1.AdminService' }]);
    const files = symbol?.fileDescriptorResponse?.fileDescriptorProto ?? [];
    expect(files.filter((file) => file.includes('.google.protobuf.Timestamp')).length).toBeGreaterThan(0);
    expect(files.filter((file) => file.includes('google/protobuf/timestamp.proto')).length).toBeGreaterThan(1);
  });

  it('is absent when switched off', async () => {
    await using edge = await startEdge({}, { reflection: false });
    await expect(ask(edge.port, version, [{ listServices: '*' }])).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  });
});
