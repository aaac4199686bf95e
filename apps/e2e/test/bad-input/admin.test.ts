import {
  AdminServiceService,
  CreateGroupRequest,
  CreateDataSourceRequest,
  CreateTopicRequest,
  DeleteGroupRequest,
  DeleteTopicRequest,
  Durability,
  durationFromMs,
  HoldBrokerLeaseRequest,
  CoordinationServiceService,
  ListTopicsRequest,
  PartitionServiceService,
  MessagingServiceService,
  PositionEdge,
  SaslMechanism,
  StorageClass,
  UpdateGroupRequest,
  UpdateTopicRequest,
} from '@hermes/contracts';

import { type Answer, answerOf, invalid, type Method, OK } from '../harness/caller.js';
import { ClusterUnderAbuse } from '../harness/cluster-under-abuse.js';

const HALF_DAY_MS = 12 * 3_600_000;
const NAME_128 = "a letter or digit, then letters, digits, '.', '_', '-'; 1 to 128 bytes";
const NAME_200 = NAME_128.replace('128', '200');
const AGE = '1000 to 3153600000000 ms';
const KNOWN = 'a value that this server knows';
const UNKNOWN_ENUM = 99;
const TOPIC_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'TOPIC_NOT_FOUND' };
const DATA_SOURCE_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'DATA_SOURCE_NOT_FOUND' };
const GROUP_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'GROUP_NOT_FOUND' };
const IMMUTABLE: Answer = { status: 'FAILED_PRECONDITION', reason: 'IMMUTABLE_FIELD' };
const ETAG_MISMATCH: Answer = { status: 'ABORTED', reason: 'ETAG_MISMATCH' };
/** Where there is no data source all limits come before that, and nothing is made. */
const WITHIN = { storageClass: StorageClass.KAFKA };
const MET = DATA_SOURCE_NOT_FOUND;
const UNSUPPORTED: Answer = { status: 'FAILED_PRECONDITION', reason: 'UNSUPPORTED_BY_STORAGE' };
/** What a broker says first; this one is no process. */
const REGISTER = {
  $case: 'register' as const,
  value: { broker: 'stranger', incarnation: 7, endpoint: '127.0.0.1:1', brokerGroup: 'strangers' },
};

const under = new ClusterUnderAbuse();
beforeAll(() => under.start());
afterAll(() => under.stop());

describe.each(['gateway', 'meta-server'] as const)('AdminService at the %s', (server) => {
  const ask = <Request, Response>(method: Method<Request, Response>, request: Request): Promise<Answer> =>
    answerOf(under.at(server).call(method, request));

  test.each<[string, object, Answer]>([
    ['no name', { name: '' }, invalid('topic.name', NAME_200)],
    ['a name of 201 bytes', { name: 't'.repeat(201) }, invalid('topic.name', NAME_200)],
    ['a name that begins with _', { name: '_t' }, invalid('topic.name', NAME_200)],
    ['everything at its limit', { name: 't'.repeat(200), partitions: 1_024, maxBodyBytes: 8 * 1024 * 1024 }, MET],
    ['0 partitions', { partitions: 0 }, invalid('topic.partitions', '1 to 1024')],
    ['1,025 partitions', { partitions: 1_025 }, invalid('topic.partitions', '1 to 1024')],
    ['no priority level', { priorityLevels: 0 }, invalid('topic.priority_levels', '1 to 10')],
    ['11 priority levels', { priorityLevels: 11 }, invalid('topic.priority_levels', '1 to 10')],
    ['bodies of 0 bytes', { maxBodyBytes: 0 }, invalid('topic.max_body_bytes', '1 to 8388608')],
    ['bodies above 8 MiB', { maxBodyBytes: 8 * 1024 * 1024 + 1 }, invalid('topic.max_body_bytes', '1 to 8388608')],
    ['an unknown storage class', { storageClass: UNKNOWN_ENUM }, invalid('topic.storage_class', KNOWN)],
    ['an unknown durability', { requiredDurability: UNKNOWN_ENUM }, invalid('topic.required_durability', KNOWN)],
    ['a negative age', { retentionAge: durationFromMs(-1) }, invalid('topic.retention_age', AGE)],
    [
      'no valid age',
      { hardRetentionAge: { seconds: 1, nanos: -1 } },
      invalid('topic.hard_retention_age', 'a valid duration'),
    ],
    [
      'a hard age below the other one',
      { hardRetentionAge: durationFromMs(1_000) },
      invalid('topic.hard_retention_age', 'at least retention_age'),
    ],
    ['a negative size', { retentionBytes: -1 }, invalid('topic.retention_bytes', 'not negative')],
    ['no attempt', { retry: { maxAttempts: 0 } }, invalid('topic.retry.max_attempts', '1 to 100')],
    ['100 attempts', { retry: { maxAttempts: 100 } }, MET],
    ['101 attempts', { retry: { maxAttempts: 101 } }, invalid('topic.retry.max_attempts', '1 to 100')],
    [
      'a shrinking wait',
      { retry: exponential({ multiplier: 0.5 }) },
      invalid('topic.retry.exponential.multiplier', '1 to 1000'),
    ],
    [
      'no number',
      { retry: exponential({ multiplier: NaN }) },
      invalid('topic.retry.exponential.multiplier', '1 to 1000'),
    ],
    ['jitter above 1', { retry: exponential({ jitter: 1.1 }) }, invalid('topic.retry.exponential.jitter', '0 to 1')],
    ['a bad broker group', { brokerGroup: 'a b' }, invalid('topic.broker_group', NAME_128)],
    ['a bad data source', { dataSources: ['a b'] }, invalid('topic.data_sources[0]', NAME_128)],
    [
      'data sources for embedded storage',
      { storageClass: StorageClass.EMBEDDED, dataSources: ['a'] },
      invalid('topic.data_sources', 'none: embedded topics live in data directories'),
    ],
    [
      'a data source that is not there',
      { storageClass: StorageClass.MYSQL, dataSources: ['nowhere'] },
      DATA_SOURCE_NOT_FOUND,
    ],
    ['MySQL storage and no data source', { storageClass: StorageClass.MYSQL }, DATA_SOURCE_NOT_FOUND],
    [
      'more durability than MySQL has',
      { storageClass: StorageClass.MYSQL, requiredDurability: Durability.REPLICATED },
      UNSUPPORTED,
    ],
    ['more durability than Kafka has', { requiredDurability: Durability.DURABLE }, UNSUPPORTED],
    [
      'a Kafka topic for embedded storage',
      { storageClass: StorageClass.EMBEDDED, kafka: { topic: 'events' } },
      invalid('topic.kafka', 'only with storage class KAFKA'),
    ],
    [
      'a Kafka topic of 250 bytes',
      { kafka: { topic: 'k'.repeat(250) } },
      invalid('topic.kafka.topic', '1 to 249 of A-Z, a-z, 0-9, ., _ and -, neither . nor ..'),
    ],
    [
      'a read-only topic of its own',
      { kafka: { readOnly: true } },
      invalid('topic.kafka.read_only', 'only with kafka.topic: nobody could write to a topic of its own'),
    ],
    ['an unknown state store', { kafka: { stateStore: UNKNOWN_ENUM } }, invalid('topic.kafka.state_store', KNOWN)],
    [
      'lanes of an attached Kafka topic',
      { kafka: { topic: 'events' }, priorityLevels: 2 },
      invalid('topic.priority_levels', 'exactly 1: an attached Kafka topic is one lane'),
    ],
    [
      'an attached Kafka topic in no cluster',
      { kafka: { topic: 'events' } },
      invalid('topic.data_sources', 'exactly one of class KAFKA: the cluster that has kafka.topic'),
    ],
  ])('CreateTopic with %s', async (_, fields, answer) => {
    const topic = { name: 'never-made', ...WITHIN, ...fields };
    expect(await ask(AdminServiceService.createTopic, CreateTopicRequest.fromPartial({ topic }))).toEqual(answer);
  });

  test.each<[string, string[], object, Answer]>([
    ['no mask', [], {}, invalid('update_mask', 'required: the top-level names of the fields to change')],
    ['an unknown path', ['nothing'], {}, invalid('update_mask', '"nothing" is no field of a topic')],
    ['a nested path', ['retry.fixed'], {}, invalid('update_mask', '"retry.fixed" is no field of a topic')],
    ['__proto__', ['__proto__'], {}, invalid('update_mask', '"__proto__" is no field of a topic')],
    ['an output', ['uid'], {}, invalid('update_mask', '"uid" is output only')],
    ['a fixed field', ['storage_class'], { storageClass: StorageClass.KAFKA }, IMMUTABLE],
    ['an attachment', ['kafka'], { kafka: { topic: 'events' } }, IMMUTABLE],
    ['fewer partitions', ['partitions'], { partitions: 1 }, IMMUTABLE],
    ['fewer priority levels', ['priority_levels'], { priorityLevels: 0 }, invalid('topic.priority_levels', '1 to 10')],
    ['an old etag', ['paused'], { etag: 'old' }, ETAG_MISMATCH],
    ['an unknown topic', ['paused'], { name: 'nothing' }, TOPIC_NOT_FOUND],
  ])('UpdateTopic with %s', async (_, updateMask, fields, answer) => {
    const request = UpdateTopicRequest.fromPartial({ topic: { name: 'orders', ...fields }, updateMask });
    expect(await ask(AdminServiceService.updateTopic, request)).toEqual(answer);
  });

  test.each<[string, object, Answer]>([
    ['no topic', { topic: '' }, invalid('group.topic', NAME_200)],
    ['no name', { name: '' }, invalid('group.name', NAME_200)],
    ['an unknown topic', { topic: 'nothing' }, TOPIC_NOT_FOUND],
    ['an unknown mode', { mode: UNKNOWN_ENUM }, invalid('group.mode', KNOWN)],
    ['an empty start', { start: {} }, invalid('group.start', 'an edge or a time')],
    [
      'a shift as start',
      { start: { kind: { $case: 'shift', value: 1 } } },
      invalid('group.start', 'an edge or a time'),
    ],
    [
      'an offset as start',
      { start: { kind: { $case: 'offset', value: {} } } },
      invalid('group.start', 'an edge or a time'),
    ],
    ['no edge as start', { start: edge(PositionEdge.UNSPECIFIED) }, invalid('group.start.edge', 'EARLIEST or LATEST')],
    [
      'no time as start',
      { start: { kind: { $case: 'time', value: { seconds: 1, nanos: -1 } } } },
      invalid('group.start.time', 'a valid timestamp'),
    ],
    [
      'a deadline of 999 ms',
      { ackDeadline: durationFromMs(999) },
      invalid('group.ack_deadline', '1000 to 43200000 ms'),
    ],
    [
      'a deadline above 12 h',
      { ackDeadline: durationFromMs(HALF_DAY_MS + 1) },
      invalid('group.ack_deadline', '1000 to 43200000 ms'),
    ],
    [
      'a filter that is none',
      { filter: 'name == "a"' },
      invalid('group.filter', '"name" is none of key, ref_key, priority and attributes'),
    ],
    [
      'a regular expression as filter',
      { filter: 'key.matches("(a+)+$")' },
      invalid('group.filter', 'the calls are .startsWith("…"), .endsWith("…") and .contains("…")'),
    ],
    ['a filter above 1 KiB', { filter: 'f'.repeat(1_025) }, invalid('group.filter', 'at most 1024 bytes')],
    ['another configuration', { name: 'billing', mode: 2 }, { status: 'ALREADY_EXISTS', reason: 'GROUP_EXISTS' }],
  ])('CreateGroup with %s', async (_, fields, answer) => {
    const request = CreateGroupRequest.fromPartial({ group: { topic: 'orders', name: 'never-made', ...fields } });
    expect(await ask(AdminServiceService.createGroup, request)).toEqual(answer);
  });

  test('what is not there, or has changed', async () => {
    const { getTopic, getGroup, updateGroup, deleteTopic, deleteGroup, drainBroker, listPartitions } =
      AdminServiceService;
    const group = { topic: 'orders', name: 'nothing' };
    const moved = { topic: 'orders', name: 'billing', start: edge(PositionEdge.EARLIEST) };
    expect(await ask(getTopic, { topic: 'nothing' })).toEqual(TOPIC_NOT_FOUND);
    expect(await ask(getGroup, { topic: 'nothing', group: 'g' })).toEqual(TOPIC_NOT_FOUND);
    expect(await ask(getGroup, { topic: 'orders', group: 'nothing' })).toEqual(GROUP_NOT_FOUND);
    expect(await ask(updateGroup, UpdateGroupRequest.fromPartial({ group, updateMask: ['paused'] }))).toEqual(
      GROUP_NOT_FOUND,
    );
    expect(await ask(updateGroup, UpdateGroupRequest.fromPartial({ group: moved, updateMask: ['start'] }))).toEqual(
      IMMUTABLE,
    );
    expect(await ask(deleteTopic, DeleteTopicRequest.fromPartial({ topic: 'orders', etag: 'old' }))).toEqual(
      ETAG_MISMATCH,
    );
    const old = { topic: 'orders', group: 'billing', etag: 'old' };
    expect(await ask(deleteGroup, DeleteGroupRequest.fromPartial(old))).toEqual(ETAG_MISMATCH);
    expect(await ask(drainBroker, { broker: 'nothing', cancel: false })).toMatchObject({ reason: 'BROKER_NOT_FOUND' });
    expect(await ask(drainBroker, { broker: 'a b', cancel: false })).toEqual(invalid('broker', NAME_128));
    expect(await ask(listPartitions, { topic: 'nothing', pageToken: '' })).toEqual(TOPIC_NOT_FOUND);
  });

  test.each<[string, object, Answer]>([
    ['of 0', { pageSize: 0 }, invalid('page_size', '1 to 1000')],
    ['of 1,000', { pageSize: 1_000 }, OK],
    ['of 1,001', { pageSize: 1_001 }, invalid('page_size', '1 to 1000')],
    [
      'behind a forged token',
      { pageToken: 'AAAAAAAAAAAAAAAAAAAA' },
      invalid('page_token', 'the next_page_token of the same list'),
    ],
  ])('a page %s', async (_, fields, answer) => {
    expect(await ask(AdminServiceService.listTopics, ListTopicsRequest.fromPartial(fields))).toEqual(answer);
  });

  test.each<[string, Answer]>([
    ['CreateDataSource', invalid('data_source', 'required')],
    ['GetDataSource', invalid('data_source', NAME_128)],
    ['ListDataSources', OK],
    ['DeleteDataSource', invalid('data_source', NAME_128)],
    ['Rebalance', OK],
  ])('%s without any field', async (name, answer) => {
    const call = under.at(server).send(`/hermes.admin.v1.AdminService/${name}`, Buffer.alloc(0));
    expect(await answerOf(call)).toEqual(answer);
  });

  test.each<[string, object, Answer]>([
    ['a bad name', { name: 'a b' }, invalid('data_source.name', NAME_128)],
    ['no storage class', { storageClass: 0 }, invalid('data_source.storage_class', 'MYSQL or KAFKA')],
    ['two endpoints', { endpoints: ['a:1', 'b:1'] }, invalid('data_source.endpoints', 'exactly one host:port')],
    [
      'a password in the place of its reference',
      { secret: 'hunter2' },
      invalid('data_source.secret', 'file:PATH or env:NAME at the broker, never the secret itself'),
    ],
    [
      'Kafka’s fields for MySQL',
      { database: 'd', username: 'u', kafka: {} },
      invalid('data_source.kafka', 'only with storage class KAFKA'),
    ],
    [
      '17 bootstrap servers',
      { storageClass: StorageClass.KAFKA, endpoints: Array.from({ length: 17 }, () => 'k:9092') },
      invalid('data_source.endpoints', '1 to 16 host:port'),
    ],
    [
      'a database of Kafka',
      { storageClass: StorageClass.KAFKA, database: 'd' },
      invalid('data_source.database', 'none: Kafka has no databases'),
    ],
    [
      'SASL for nobody',
      { storageClass: StorageClass.KAFKA, kafka: { sasl: SaslMechanism.PLAIN } },
      invalid('data_source.username', 'required with kafka.sasl or a secret'),
    ],
    [
      'an unknown SASL mechanism',
      { storageClass: StorageClass.KAFKA, kafka: { sasl: UNKNOWN_ENUM } },
      invalid('data_source.kafka.sasl', KNOWN),
    ],
    [
      'compacted topics',
      { storageClass: StorageClass.KAFKA, kafka: { topicConfig: new Map([['cleanup.policy', 'compact']]) } },
      invalid(
        'data_source.kafka.topic_config.cleanup.policy',
        'delete: compaction would take messages that nobody has read',
      ),
    ],
  ])('CreateDataSource with %s', async (_, fields, answer) => {
    const dataSource = { name: 'never-made', storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], ...fields };
    const request = CreateDataSourceRequest.fromPartial({ dataSource });
    expect(await ask(AdminServiceService.createDataSource, request)).toEqual(answer);
  });

  test('MovePartition to nowhere, of nothing and of what cannot move', async () => {
    const { movePartition } = AdminServiceService;
    const move = (fields: object) =>
      ask(movePartition, { topic: 'orders', partition: 0, broker: 'nothing', ...fields });
    expect(await move({})).toMatchObject({ reason: 'BROKER_NOT_FOUND' });
    expect(await move({ topic: 'none' })).toMatchObject({ reason: 'TOPIC_NOT_FOUND' });
    expect(await move({ broker: 'a b' })).toEqual(invalid('broker', NAME_128));
    expect(await move({ partition: -1 })).toEqual(invalid('partition', '0 to 1023'));
    expect(await move({ partition: 1_023 })).toMatchObject({ reason: 'INVALID_FIELD' });
    expect(await move({ broker: 'broker-0' })).toEqual(OK);
    const frames = [HoldBrokerLeaseRequest.fromPartial({ kind: REGISTER })];
    const stranger = await under.at('meta-server').hold(CoordinationServiceService.holdBrokerLease, frames);
    expect(await move({ broker: 'stranger' })).toEqual(UNSUPPORTED);
    stranger[Symbol.dispose]();
  });

  test('nothing of it was made', async () => {
    const { topics } = await under.at(server).call(AdminServiceService.listTopics, ListTopicsRequest.fromPartial({}));
    expect(topics.map(({ name }) => name)).toEqual(['orders', 'wide']);
  });
});

describe.each(['gateway', 'broker'] as const)('calls for one partition at the %s', (server) => {
  const { cancelSchedule } = MessagingServiceService;
  const { getMessage, seek, listDeadLetters, redriveDeadLetters, discardDeadLetters } = PartitionServiceService;
  const one = { topic: 'orders', group: 'billing' };
  const earliest = { kind: { $case: 'edge' as const, value: PositionEdge.EARLIEST } };
  const nowhere = (field: string, value: object, limit: string): [object, Answer] => [
    { ...one, to: { kind: value } },
    invalid(field, limit),
  ];
  const which = 'exactly one of message_ids, filter and all';

  test.each<[Method<never, unknown>, object, Answer]>([
    [cancelSchedule, { scheduleId: 'orders/0/1' }, invalid('schedule_id', 'the schedule_id of a publish')],
    [cancelSchedule, { scheduleId: 'nothing~0~1' }, TOPIC_NOT_FOUND],
    [cancelSchedule, { scheduleId: 'orders~0~99' }, { status: 'NOT_FOUND', reason: 'SCHEDULE_NOT_FOUND' }],
    [getMessage, { messageId: '' }, invalid('message_id', 'topic/partition/lane/offset')],
    [getMessage, { messageId: 'orders/0/0/01' }, invalid('message_id', 'topic/partition/lane/offset')],
    [getMessage, { messageId: 'nothing/0/0/1' }, TOPIC_NOT_FOUND],
    [getMessage, { messageId: 'orders/0/9/1' }, { status: 'NOT_FOUND', reason: 'MESSAGE_NOT_FOUND' }],
    [seek, { topic: '', group: 'g', to: earliest }, invalid('topic', NAME_200)],
    [seek, { topic: 'orders', group: 'nothing', to: earliest }, GROUP_NOT_FOUND],
    [seek, one, invalid('to', 'edge, time, offset or shift')],
    [seek, { ...one, to: earliest, partitions: [-1] }, invalid('partitions', '0 to 1')],
    [seek, { ...one, to: earliest, partitions: [2] }, invalid('partitions', '0 to 1')],
    [seek, ...nowhere('to', { $case: 'edge', value: 0 }, 'an edge that is EARLIEST or LATEST')],
    [seek, ...nowhere('to', { $case: 'time', value: { seconds: 1, nanos: -1 } }, 'a valid timestamp')],
    [listDeadLetters, { topic: 'orders', group: '' }, invalid('group', NAME_200)],
    [listDeadLetters, { topic: 'orders', group: 'nothing' }, GROUP_NOT_FOUND],
    [listDeadLetters, { ...one, pageSize: 1_001 }, invalid('page_size', '1 to 1000')],
    [listDeadLetters, { ...one, pageToken: '%' }, invalid('page_token', 'the next_page_token of a page before')],
    [listDeadLetters, { ...one, filter: 'f'.repeat(1_025) }, invalid('filter', 'at most 1024 bytes')],
    ...[redriveDeadLetters, discardDeadLetters].flatMap((method): [Method<never, unknown>, object, Answer][] => [
      [method, one, invalid('message_ids', which)],
      [method, { ...one, all: true, filter: 'key == "a"' }, invalid('message_ids', which)],
      [method, { ...one, messageIds: ['a'] }, invalid('message_ids[0]', 'a message of topic orders')],
      [method, { ...one, messageIds: ['wide/0/0/1'] }, invalid('message_ids[0]', 'a message of topic orders')],
      [method, { topic: 'orders', group: 'nothing', all: true }, GROUP_NOT_FOUND],
    ]),
  ] as [Method<never, unknown>, object, Answer][])('$path %j', async (method, request, answer) => {
    const call = under.at(server).call(method as Method<object, unknown>, {
      ...{ topic: '', group: '', messageId: '', partitions: [], messageIds: [], filter: '', all: false },
      ...{ pageToken: '', dryRun: false },
      ...request,
    });
    expect(await answerOf(call)).toEqual(answer);
  });
});

test('every process is unharmed', () => under.expectUnharmed());

function exponential(value: object) {
  return { kind: { $case: 'exponential', value } };
}

function edge(value: PositionEdge) {
  return { kind: { $case: 'edge' as const, value } };
}
