import {
  checkTopicName,
  type DescribeGroupResponse,
  type DescribeTopicResponse,
  type DescribeTopicResponse_Lane,
  type RedriveDeadLettersRequest,
  type SeekRequest,
  timestampFromMs,
} from '@hermes/contracts';
import { type Handlers } from '@hermes/kit';
import { listDeadLetters, pageOf } from '../dead-letters/list-dead-letters.js';
import { type Moved, MOVED_MAX, moveDeadLetters } from '../dead-letters/move-dead-letters.js';
import { selectionOf } from '../dead-letters/select-dead-letters.js';
import { type Ownership } from '../partition/ownership.js';
import { type Partition } from '../partition/partition.js';
import { describeGroupIn, type GroupDescription } from './describe-group.js';
import { getMessage, readMessageId } from './get-message.js';
import { checkPlaces, checkReadMessages, readMessages } from './read-messages.js';
import { checkSeek, seek } from './seek.js';
import {
  groupIn,
  servedPartition,
  servedPartitions,
  servedTopic,
  throwIf,
  topicOfGroup,
  wantedPartitions,
} from './served-partitions.js';
import { type BrokerPartitionService } from './service-definitions.js';
import { storeFailure } from './store-failure.js';

/** PartitionService of a broker: it answers for the partitions that it serves. */
export function partitionHandlers(ownership: Ownership): Handlers<typeof BrokerPartitionService> {
  return {
    describeTopic: async ({ topic }) => fromStore(describeTopic(servedPartitions(await servedTopic(ownership, topic)))),
    describeGroup: async ({ topic, group }) =>
      describeGroup(group, servedPartitions(await topicOfGroup(ownership, topic, group))),
    readMessages: async (request, stream) => {
      throwIf(checkTopicName(request.topic));
      checkReadMessages(request);
      const topic = await servedTopic(ownership, request.topic);
      checkPlaces(request, topic.settings);
      await readMessages(request, await wantedPartitions(ownership, topic, request.partitions), stream);
    },
    getMessage: async ({ messageId }) => {
      const id = readMessageId('message_id', messageId);
      const topic = await servedTopic(ownership, id.topic);
      const partition = await servedPartition(ownership, topic, id.partition, 'message_id');
      return { stored: await fromStore(getMessage(partition, id)) };
    },
    seek: async (request) => {
      const topic = await topicOfGroup(ownership, request.topic, request.group);
      checkSeek(request, topic.settings);
      const partitions = await wantedPartitions(ownership, topic, seekPartitions(request));
      return fromStore(seek(request, groupIn(partitions, request.group)));
    },
    listDeadLetters: async (request) => {
      const topic = await topicOfGroup(ownership, request.topic, request.group);
      const page = pageOf(request);
      const { start } = page;
      const first = start && (await wantedPartitions(ownership, topic, [start.partition]));
      const rest = servedPartitions(topic).filter(({ number }) => number > (start?.partition ?? -1));
      return fromStore(listDeadLetters(request, page, groupIn([...(first ?? []), ...rest], request.group)));
    },
    redriveDeadLetters: (request) => move(ownership, request, 'redrive'),
    discardDeadLetters: (request) => move(ownership, request, 'discard'),
  };
}

/** An offset names its partition. */
function seekPartitions({ partitions, to }: SeekRequest): number[] {
  return to?.kind?.$case === 'offset' ? [to.kind.value.partition] : partitions;
}

async function move(
  ownership: Ownership,
  request: RedriveDeadLettersRequest,
  how: 'redrive' | 'discard',
): Promise<Moved> {
  const topic = await topicOfGroup(ownership, request.topic, request.group);
  const selection = selectionOf(request);
  const named = selection.kind === 'ids' ? selection.ids.map(({ partition }) => partition) : [];
  const partitions = await wantedPartitions(ownership, topic, named);
  let [count, remaining] = [0, 0];
  for (const group of groupIn(partitions, request.group)) {
    const moved = await fromStore(moveDeadLetters(group, selection, how, MOVED_MAX - count));
    count += moved.count;
    remaining += moved.remaining;
  }
  return { count, remaining };
}

async function fromStore<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw storeFailure(error);
  }
}

async function describeTopic(partitions: readonly Partition[]): Promise<DescribeTopicResponse> {
  const lanes = await Promise.all(
    partitions.map(async (partition) => {
      const scheduled = await partition.schedule.counts();
      return partition.lanes.map(({ number, log }): DescribeTopicResponse_Lane => ({
        partition: partition.number,
        lane: number,
        firstOffset: log.firstOffset,
        nextOffset: log.nextOffset,
        sizeBytes: log.sizeBytes,
        scheduled: scheduled[number] ?? 0,
      }));
    }),
  );
  return { lanes: lanes.flat() };
}

async function describeGroup(group: string, partitions: readonly Partition[]): Promise<DescribeGroupResponse> {
  return merge(await fromStore(Promise.all(partitions.map((partition) => describeGroupIn(partition, group)))));
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
