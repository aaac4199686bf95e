import { BinaryReader } from '@bufbuild/protobuf/wire';
import { readFileSync } from 'node:fs';
import { descriptorSetPath } from './descriptor-set.js';

/** Names of the files in a FileDescriptorSet: field 1 of each file in field 1. */
function fileNames(bytes: Uint8Array): string[] {
  const set = new BinaryReader(bytes);
  const names: string[] = [];
  while (set.pos < set.len) {
    set.tag();
    const file = new BinaryReader(set.bytes());
    file.tag();
    names.push(file.string());
  }
  return names;
}

describe('descriptorSetPath', () => {
  it('leads to a set that holds every file of the contract with its imports', () => {
    expect(fileNames(readFileSync(descriptorSetPath()))).toEqual(
      expect.arrayContaining([
        'google/protobuf/duration.proto',
        'google/protobuf/timestamp.proto',
        'google/rpc/status.proto',
        'hermes/admin/v1/admin.proto',
        'hermes/admin/v1/partition.proto',
        'hermes/coordination/v1/coordination.proto',
        'hermes/messaging/v1/messaging.proto',
      ]),
    );
  });
});
