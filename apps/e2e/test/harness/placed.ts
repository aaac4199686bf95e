import type { Hermes } from '@hermes/client';
import type { ListPartitionsResponse_Partition } from '@hermes/contracts';

/** The partitions of a topic and their owners, as the meta-server sees them. */
export async function placed(hermes: Hermes, topic: string): Promise<ListPartitionsResponse_Partition[]> {
  const partitions: ListPartitionsResponse_Partition[] = [];
  for await (const partition of hermes.admin.listPartitions(topic)) {
    partitions.push(partition);
  }
  return partitions;
}
