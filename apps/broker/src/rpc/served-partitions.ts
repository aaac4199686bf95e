import { checkGroupName, checkTopicName, HermesError, invalidField } from '@hermes/contracts';
import { type GroupInPartition } from '../partition/group-in-partition.js';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';

/** A topic of which something is served here. Throws INVALID_FIELD, TOPIC_NOT_FOUND, NOT_OWNER or PARTITION_MOVING. */
export async function servedTopic(ownership: Ownership, name: string): Promise<OwnedTopic> {
  throwIf(checkTopicName(name));
  const topic = ownership.topic(name);
  if (topic === undefined || servedPartitions(topic).length === 0) {
    throw await ownership.refusal(name, undefined);
  }
  return topic;
}

/** The same for a topic that has this group; GROUP_NOT_FOUND. */
export async function topicOfGroup(ownership: Ownership, name: string, group: string): Promise<OwnedTopic> {
  throwIf(checkTopicName(name) ?? checkGroupName(group));
  const topic = await servedTopic(ownership, name);
  if (!topic.groups.has(group)) {
    throw new HermesError('GROUP_NOT_FOUND', `topic ${name} has no group ${group}`);
  }
  return topic;
}

/** What is served of a topic, in order. */
export function servedPartitions(topic: OwnedTopic): Partition[] {
  return topic.partitions.filter((partition) => partition.isServing).sort((a, b) => a.number - b.number);
}

/** The named partitions, each of which has to be served here; all that are served if none is named. */
export async function wantedPartitions(
  ownership: Ownership,
  topic: OwnedTopic,
  numbers: readonly number[],
): Promise<Partition[]> {
  if (numbers.length === 0) {
    return servedPartitions(topic);
  }
  const partitions: Partition[] = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    if (number < 0) {
      throw invalidField('partitions', `0 to ${topic.settings.partitions - 1}`);
    }
    partitions.push(await servedPartition(ownership, topic, number, 'partitions'));
  }
  return partitions;
}

/** One partition, if it is served here. Throws NOT_OWNER, PARTITION_MOVING, or INVALID_FIELD of `field`. */
export async function servedPartition(
  ownership: Ownership,
  topic: OwnedTopic,
  number: number,
  field: string,
): Promise<Partition> {
  const partition = topic.served(number);
  if (partition === undefined) {
    throw await ownership.refusal(topic.settings.name, number, field);
  }
  return partition;
}

/** A group in these partitions. Throws PARTITION_MOVING where it is not there yet. */
export function groupIn(partitions: readonly Partition[], group: string): GroupInPartition[] {
  return partitions.map((partition) => {
    const pump = partition.group(group);
    if (pump === undefined) {
      throw new HermesError('PARTITION_MOVING', `partition ${partition.number} does not serve group ${group} yet`);
    }
    return { partition, pump };
  });
}

export function throwIf(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}
