import { readFileSync } from 'node:fs';
import { type Server } from '@grpc/grpc-js';
import { type PackageDefinition, loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';

/**
 * Adds grpc.reflection v1 and v1alpha, which describe `services` from a compiled descriptor set: so that grpcurl and
 * its like work without our proto files.
 */
export function addReflection(server: Server, descriptorSet: string, services: readonly string[]): void {
  new ReflectionService(load(descriptorSet), { services: [...services] }).addToServer(server);
}

function load(descriptorSet: string): PackageDefinition {
  return loadFileDescriptorSetFromBuffer(readFileSync(descriptorSet));
}
