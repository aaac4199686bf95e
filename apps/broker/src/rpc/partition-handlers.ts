import {
  checkGroupName,
  checkTopicName,
  type DescribeGroupResponse,
  type DescribeTopicResponse,
  type DescribeTopicResponse_Lane,
  HermesError,
  invalidField,
  timestampFromMs,
} from '@hermes/contracts';
import { type Handlers, notImplementedHandler } from '@hermes/kit';
import { type OwnedTopic } from '../partition/owned-topic.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { describeGroupIn, type GroupDescription } from './describe-group.js';
import { checkPlaces, checkReadMessages, readMessages } from './read-messages.js';
import { type BrokerPartitionService } from './service-definitions.js';
import { storeFailure } from './store-failure.js';

/** PartitionService of a broker: it answers for the partitions that it serves. */
export function partitionHandlers(ownership: Ownership): Handlers<typeof BrokerPartitionService> {
  return {
    describeTopic: async ({ topic }) => describeTopic(servedPartitions(await find(ownership, topic))),
    describeGroup: async ({ topic, group }) => {
      throwIf(checkTopicName(topic) ?? checkGroupName(group));
      const owned = await find(ownership, topic);
      if (!owned.groups.has(group)) {
        throw new HermesError('GROUP_NOT_FOUND', `topic ${topic} has no group ${group}`);
      }
      return describeGroup(group, servedPartitions(owned));
    },
    readMessages: async (request, stream) => {
      throwIf(checkTopicName(request.topic));
      checkReadMessages(request);
      const topic = await find(ownership, request.topic);
      checkPlaces(request, topic.settings);
      await readMessages(request, await wanted(ownership, topic, request.partitions), stream);
    },
    getMessage: notImplementedHandler('GetMessage'),
    seek: notImplementedHandler('Seek'),
    listDeadLetters: notImplementedHandler('ListDeadLetters'),
    redriveDeadLetters: notImplementedHandler('RedriveDeadLetters'),
    discardDeadLetters: notImplementedHandler('DiscardDeadLetters'),
  };
}

async function find(ownership: Ownership, name: string): Promise<OwnedTopic> {
  throwIf(checkTopicName(name));
  const topic = ownership.topic(name);
  if (topic === undefined || servedPartitions(topic).length === 0) {
    throw await ownership.refusal(name, undefined);
  }
  return topic;
}

/** The named partitions, each of which has to be served here; all that are served if none is named. */
async function wanted(ownership: Ownership, topic: OwnedTopic, numbers: readonly number[]): Promise<Partition[]> {
  if (numbers.length === 0) {
    return servedPartitions(topic);
  }
  const partitions: Partition[] = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    if (number < 0 || number >= topic.settings.partitions) {
      throw invalidField('partitions', `0 to ${topic.settings.partitions - 1}`);
    }
    const partition = topic.served(number);
    if (partition === undefined) {
      throw await ownership.refusal(topic.settings.name, number);
    }
    partitions.push(partition);
  }
  return partitions;
}

function servedPartitions(topic: OwnedTopic): Partition[] {
  return topic.partitions.filter((partition) => partition.isServing).sort((a, b) => a.number - b.number);
}

function describeTopic(partitions: readonly Partition[]): DescribeTopicResponse {
  const lanes = partitions.flatMap((partition) =>
    partition.lanes.map(({ number, log }): DescribeTopicResponse_Lane => ({
      partition: partition.number,
      lane: number,
      firstOffset: log.firstOffset,
      nextOffset: log.nextOffset,
      sizeBytes: log.sizeBytes,
      scheduled: 0,
    })),
  );
  return { lanes };
}

async function describeGroup(group: string, partitions: readonly Partition[]): Promise<DescribeGroupResponse> {
  try {
    const parts = await Promise.all(partitions.map((partition) => describeGroupIn(partition, group)));
    return merge(parts);
  } catch (error) {
    throw storeFailure(error);
  }
}

function merge(parts: readonly GroupDescription[]): DescribeGroupResponse {
  const consumers = new Map<string, { consumer: string; partitions: number[]; inFlight: number }>();
  for (const { partition, holders } of parts) {
    for (const { consumer, inFlight } of holders) {
      const known = consumers.get(consumer) ?? { consumer, partitions: [], inFlight: 0 };
      known.partitions.push(partition);
      known.inFlight += inFlight;
      consumers.set(consumer, known);
    }
  }
  const oldest = parts.flatMap(({ oldestUnsettledMs }) => oldestUnsettledMs ?? []);
  return {
    lanes: parts.flatMap(({ lanes }) => lanes),
    ...(oldest.length === 0 ? {} : { oldestUnsettled: timestampFromMs(Math.min(...oldest)) }),
    consumers: [...consumers.values()].sort((a, b) => (a.consumer < b.consumer ? -1 : 1)),
  };
}

function throwIf(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}
