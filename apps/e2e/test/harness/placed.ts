import type { Hermes } from '@hermes/client';
import type { ListPartitionsResponse_Partition } from '@hermes/contracts';

/** Who owns each partition of a topic, at which epoch, and whether it is served. */
export async function owned(hermes: Hermes, topic: string): Promise<string[]> {
  const partitions = await placed(hermes, topic);
  return partitions.map(({ partition, broker, epoch, state }) => `${partition}: ${broker}@${epoch} ${state}`).sort();
}

/** The partitions of a topic and their owners, as the meta-server sees them. */
export async function placed(hermes: Hermes, topic: string): Promise<ListPartitionsResponse_Partition[]> {
  const partitions: ListPartitionsResponse_Partition[] = [];
  for await (const partition of hermes.admin.listPartitions(topic)) {
    partitions.push(partition);
  }
  return partitions;
}
