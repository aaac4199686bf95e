import { join } from 'node:path';

/**
 * Path of the FileDescriptorSet of the whole contract, imports included, for reflection.
 *
 * It stands beside `src` and `dist`, so that both find it in the same place and a compile does not remove it.
 */
export function descriptorSetPath(): string {
  return join(__dirname, '..', 'descriptor', 'hermes.binpb');
}
