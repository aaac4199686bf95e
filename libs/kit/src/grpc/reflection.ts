import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type BidiHandler, type Method } from './handlers.js';

const PATHS = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
] as const;

/** A reflection method before its codec is loaded: bytes in, bytes out. */
type BytesMethod = Method<Buffer, Buffer> & { readonly requestStream: true; readonly responseStream: true };

/** What @grpc/reflection registers for one version. */
interface Implementation {
  readonly method: Method<unknown, unknown>;
  readonly serve: (stream: unknown) => void;
}

/** One version of the protocol: a service and its handler. */
export interface ReflectionVersion {
  readonly service: Readonly<Record<'serverReflectionInfo', BytesMethod>>;
  readonly handlers: { readonly serverReflectionInfo: BidiHandler<Buffer, Buffer> };
}

/**
 * grpc.reflection v1 and v1alpha for `services`, from a compiled descriptor set: grpcurl and its like work without our
 * proto files. @grpc/reflection takes a third of a second to load and index, so the first question does that.
 */
export function createReflection(descriptorSet: string, services: readonly string[]): ReflectionVersion[] {
  let loading: Promise<ReadonlyMap<string, Implementation>> | undefined;
  return PATHS.map((path) => ({
    service: { serverReflectionInfo: bytesMethod(path) },
    handlers: {
      serverReflectionInfo: async (stream) => {
        const { method, serve } = found(await (loading ??= load(descriptorSet, services)), path);
        const bridge = Object.assign(new EventEmitter(), {
          write: (response: unknown) => stream.write(method.responseSerialize(response)),
          end: () => undefined,
        });
        serve(bridge);
        for await (const bytes of stream) {
          bridge.emit('data', method.requestDeserialize(bytes));
          await stream.drained();
        }
      },
    },
  }));
}

async function load(descriptorSet: string, services: readonly string[]): Promise<ReadonlyMap<string, Implementation>> {
  const [bytes, loader, reflection] = await Promise.all([
    readFile(descriptorSet),
    import('@grpc/proto-loader'),
    import('@grpc/reflection'),
  ]);
  const implementations = new Map<string, Implementation>();
  const root = loader.loadFileDescriptorSetFromBuffer(bytes);
  // The loader writes the files anew, with short type names, which grpcurl refuses: what protoc wrote is served.
  // Once: each entry's files are decoded.
  let fileDescriptorProtos = filesOf(bytes);
  for (const entry of Object.values(root)) {
    if ('fileDescriptorProtos' in entry) {
      Object.assign(entry, { fileDescriptorProtos });
      fileDescriptorProtos = [];
    }
  }
  new reflection.ReflectionService(root, { services: [...services] }).addToServer({
    addService: (definition, handlers) => {
      for (const [name, method] of Object.entries(definition)) {
        implementations.set(method.path, { method, serve: handlers[name] as Implementation['serve'] });
      }
    },
  });
  return implementations;
}

/** The files of a FileDescriptorSet, which is `repeated FileDescriptorProto file = 1` and nothing else. */
function filesOf(set: Buffer): Buffer[] {
  const files: Buffer[] = [];
  for (let at = 0; at < set.length;) {
    let [length, shift] = [0, 0];
    do {
      at += 1;
      length += ((set[at] ?? 0) & 0x7f) * 2 ** shift;
      shift += 7;
    } while (((set[at] ?? 0) & 0x80) !== 0);
    files.push(set.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return files;
}

function found(implementations: ReadonlyMap<string, Implementation>, path: string): Implementation {
  const implementation = implementations.get(path);
  if (implementation === undefined) {
    throw new Error(`@grpc/reflection no longer serves ${path}`);
  }
  return implementation;
}

function bytesMethod(path: string): BytesMethod {
  const identity = (bytes: Buffer): Buffer => bytes;
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestDeserialize: identity,
    responseSerialize: identity,
  };
}
