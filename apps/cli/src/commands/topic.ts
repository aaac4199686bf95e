import {
  CreateTopicRequest,
  CreateTopicResponse,
  DescribeTopicRequest,
  DescribeTopicResponse,
  GetTopicResponse,
  ListTopicsRequest,
  ListTopicsResponse,
  type Topic,
  type Topic_Kafka,
  UpdateTopicRequest,
  UpdateTopicResponse,
} from '@hermes/contracts';
import { type TopicFlags } from '../flags/resource-flags.js';
import { EMPTY, facts, show, table, timeText } from '../output.js';
import { type Session } from '../session.js';
import {
  changesRetry,
  retryWords,
  stateStoreWord,
  storageWord,
  topicOf,
  updateMask,
  words,
} from './resource-fields.js';
import { requireChange } from './require-change.js';

/** hermes topic create T */
export async function createTopic(session: Session, name: string, flags: TopicFlags): Promise<void> {
  const request = CreateTopicRequest.fromPartial({ topic: topicOf(name, flags) });
  const response = await session.unary<CreateTopicResponse>((metadata, options, done) =>
    session.admin.createTopic(request, metadata, options, done),
  );
  await show(session, response, CreateTopicResponse, ({ topic }) => topicFacts(topic));
}

/** hermes topic update T: only what is given changes. */
export async function updateTopic(session: Session, name: string, flags: TopicFlags): Promise<void> {
  const before = changesRetry(flags) ? (await getTopic(session, name)).topic : undefined;
  const topic = topicOf(name, flags, before);
  const paths = requireChange(updateMask(topic));
  const request = UpdateTopicRequest.fromPartial({ topic, updateMask: paths });
  const response = await session.unary<UpdateTopicResponse>((metadata, options, done) =>
    session.admin.updateTopic(request, metadata, options, done),
  );
  await show(session, response, UpdateTopicResponse, ({ topic: now }) => topicFacts(now));
}

/** hermes topic describe T: its settings, then what its partitions hold. */
export async function describeTopic(session: Session, name: string): Promise<void> {
  const response = await getTopic(session, name);
  await show(session, response, GetTopicResponse, ({ topic }) => topicFacts(topic));
  const request = DescribeTopicRequest.fromPartial({ topic: name });
  const lanes = await session.unary<DescribeTopicResponse>((metadata, options, done) =>
    session.partitions.describeTopic(request, metadata, options, done),
  );
  await show(session, lanes, DescribeTopicResponse, ({ lanes: rows }) => [
    '',
    ...table(
      ['PARTITION', 'LANE', 'FIRST', 'NEXT', 'BYTES'],
      rows.map(({ partition, lane, firstOffset, nextOffset, sizeBytes }) => [
        ...[partition, lane, firstOffset, nextOffset, sizeBytes],
      ]),
    ),
  ]);
}

/** hermes topic delete T */
export async function deleteTopic(
  session: Session,
  name: string,
  flags: { readonly force?: boolean; readonly etag?: string },
): Promise<void> {
  const request = { topic: name, etag: flags.etag ?? '', force: flags.force ?? false };
  const response = await session.unary((metadata, options, done) =>
    session.admin.deleteTopic(request, metadata, options, done),
  );
  await show(session, response, EMPTY, () => [`topic ${name} is deleted`]);
}

/** hermes topic list */
export async function listTopics(session: Session): Promise<void> {
  const found: Topic[] = [];
  let pageToken = '';
  do {
    const request = ListTopicsRequest.fromPartial({ pageToken });
    const page = await session.unary<ListTopicsResponse>((metadata, options, done) =>
      session.admin.listTopics(request, metadata, options, done),
    );
    pageToken = page.nextPageToken;
    found.push(...page.topics);
  } while (pageToken !== '');
  await show(session, { topics: found, nextPageToken: '' }, ListTopicsResponse, ({ topics }) => topicTable(topics));
}

function getTopic(session: Session, topic: string): Promise<GetTopicResponse> {
  return session.unary((metadata, options, done) => session.admin.getTopic({ topic }, metadata, options, done));
}

function topicTable(topics: readonly Topic[]): string[] {
  if (topics.length === 0) {
    return ['no topics yet – create one with `hermes topic create TOPIC`'];
  }
  return table(
    ['TOPIC', 'PARTITIONS', 'STORAGE', 'RETENTION', 'PAUSED'],
    topics.map((topic) => [
      topic.name,
      topic.partitions,
      storageWord(topic.storageClass),
      words(topic.retentionAge),
      topic.paused ? 'yes' : 'no',
    ]),
  );
}

function kafkaTopic({ topic, readOnly }: Topic_Kafka): string {
  return topic === '' ? 'its own' : `${topic}${readOnly ? ' (read-only)' : ''}`;
}

function kafkaFacts(kafka: Topic_Kafka): (readonly [string, string])[] {
  return [
    ['kafka topic', kafkaTopic(kafka)],
    ['state store', stateStoreWord(kafka)],
  ];
}

function topicFacts(topic: Topic | undefined): string[] {
  if (topic === undefined) {
    return [];
  }
  return facts([
    ['topic', topic.name],
    ['partitions', topic.partitions],
    ['priority levels', topic.priorityLevels],
    ['storage class', storageWord(topic.storageClass)],
    ['data sources', topic.dataSources.join(', ')],
    ...(topic.kafka === undefined ? [] : kafkaFacts(topic.kafka)),
    ['max body bytes', topic.maxBodyBytes],
    ['retention', words(topic.retentionAge)],
    ['hard retention', words(topic.hardRetentionAge)],
    ['retry', retryWords(topic.retry)],
    ['broker group', topic.brokerGroup],
    ['paused', topic.paused ? 'yes' : 'no'],
    ['created', timeText(topic.createdAt)],
    ['etag', topic.etag],
  ]);
}
