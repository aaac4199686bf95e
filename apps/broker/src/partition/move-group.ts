import { HermesError } from '@hermes/contracts';
import { type GroupSnapshot, type LaneCursor } from '@hermes/delivery';
import { StoreError } from '@hermes/log';
import { type GroupInPartition } from './group-in-partition.js';

/**
 * Moves a group in one partition to these floors, durably. Its streams stay: what is in flight is void, its receipts
 * are stale from now on, at later owners too. If the move cannot be stored the group goes on where it was.
 */
export function moveGroup({ partition, pump }: GroupInPartition, lanes: readonly LaneCursor[]): Promise<void> {
  return pump.serial.run(async () => {
    const groupId = pump.settings.id;
    pump.suspend();
    try {
      // What was decided before counts before; refused by the store, it is being tried again.
      while ((await partition.settles.write(pump)) !== undefined) {
        if (!partition.isServing) {
          throw new HermesError('PARTITION_MOVING', `partition ${partition.number} has moved`);
        }
      }
      await partition.commit([{ kind: 'seek', groupId, generation: pump.generation + 1, lanes }]);
    } finally {
      await pump.resume(await reload());
    }

    async function reload(): Promise<GroupSnapshot> {
      for (;;) {
        try {
          const snapshot = await partition.groupState.load(groupId);
          if (snapshot !== undefined) {
            return snapshot;
          }
          throw new HermesError('GROUP_NOT_FOUND', `group ${pump.settings.name} was deleted`);
        } catch (error) {
          if (!(error instanceof StoreError) || !partition.isServing) {
            throw error;
          }
          await partition.storePause();
        }
      }
    }
  });
}
