import { type MoveRefusal } from './broker-lease-effect.js';
import { type BrokerRegistry } from './broker-registry.js';
import { type PartitionRef } from './lease.js';
import { type LeasedPartition } from './leased-partition.js';
import { type PartitionTable } from './partition-table.js';

/** Why a partition cannot be moved to a broker; undefined: it can. */
export function moveRefusal(
  { topic, partition }: PartitionRef,
  broker: string,
  { table, registry }: { readonly table: PartitionTable; readonly registry: BrokerRegistry },
): MoveRefusal | undefined {
  const settings = table.settings(topic);
  if (settings === undefined) {
    return { kind: 'unknownTopic' };
  }
  const found = table.find(topic, partition);
  if (found === undefined) {
    return { kind: 'unknownPartition', partitions: settings.partitions };
  }
  const standing = registry.standing(broker);
  if (standing === undefined) {
    return { kind: 'unknownBroker' };
  }
  if (standing.state !== 'ACTIVE') {
    return { kind: 'brokerNotActive' };
  }
  if (settings.inDataDirectory) {
    return found.owner?.name === broker ? undefined : { kind: 'inDataDirectory' };
  }
  if (standing.brokerGroup !== settings.brokerGroup) {
    return { kind: 'otherBrokerGroup', brokerGroup: settings.brokerGroup };
  }
  return capacityRefusal(found, broker, { table, registry });
}

/** Others make room for what is pinned, unless all of them are pinned, too. */
function capacityRefusal(
  moved: LeasedPartition,
  broker: string,
  { table, registry }: { readonly table: PartitionTable; readonly registry: BrokerRegistry },
): MoveRefusal | undefined {
  const capacity = registry.leaseOf(broker)?.capacity ?? 0;
  const pinned = [...table.all()].filter((one) => one !== moved && one.pinnedTo === broker).length;
  return capacity > 0 && pinned >= capacity ? { kind: 'full', capacity } : undefined;
}
