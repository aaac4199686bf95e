import { Durability, durationFromMs, RetryPolicy, StorageClass, Topic } from '@hermes/contracts';

import { checkDataSourceClasses } from './kafka-topic-spec.js';
import { filledTopic, updatedTopic } from './topic-spec.js';

/** An error with these fields. */
const failure = (fields: object): Error => expect.objectContaining(fields) as Error;

/** Parts of a topic, as `fromPartial` takes them. */
type Fields = object;

const defaults = { storageClass: StorageClass.EMBEDDED };
const fill = (fields: Fields): Topic => filledTopic(Topic.fromPartial({ name: 'orders', ...fields }), defaults);

describe('a new topic', () => {
  test('gets every default', () => {
    expect(fill({})).toEqual(
      Topic.fromPartial({
        name: 'orders',
        partitions: 4,
        storageClass: StorageClass.EMBEDDED,
        priorityLevels: 1,
        maxBodyBytes: 1_048_576,
        retentionAge: { seconds: 604_800 },
        hardRetentionAge: { seconds: 2_592_000 },
        retry: {
          kind: {
            $case: 'exponential',
            value: { initial: { seconds: 1 }, max: { seconds: 300 }, multiplier: 2, jitter: 0.2 },
          },
          maxAttempts: 16,
        },
        requiredDurability: Durability.DURABLE,
        brokerGroup: 'default',
      }),
    );
  });

  test('explicit defaults are the same topic', () => {
    expect(fill(fill({}))).toEqual(fill({}));
  });

  test('output-only fields are passed over', () => {
    expect(fill({ uid: 9, etag: 'x', createdAt: { seconds: 1 } })).toEqual(fill({}));
  });

  test.each<[string, Fields]>([
    ['topic.name', { name: '' }],
    ['topic.name', { name: '.hidden' }],
    ['topic.name', { name: '-dash' }],
    ['topic.name', { name: 'x'.repeat(201) }],
    ['topic.name', { name: 'a`; DROP TABLE topic; --' }],
    ['topic.name', { name: 'a/b' }],
    ['topic.partitions', { partitions: 0 }],
    ['topic.partitions', { partitions: -1 }],
    ['topic.partitions', { partitions: 1_025 }],
    ['topic.storage_class', { storageClass: 99 as never }],
    ['topic.priority_levels', { priorityLevels: 0 }],
    ['topic.priority_levels', { priorityLevels: 11 }],
    ['topic.max_body_bytes', { maxBodyBytes: 0 }],
    ['topic.max_body_bytes', { maxBodyBytes: 8 * 1_048_576 + 1 }],
    ['topic.retention_age', { retentionAge: { seconds: -1 } }],
    ['topic.retention_age', { retentionAge: { seconds: 1, nanos: -1 } }],
    ['topic.retention_bytes', { retentionBytes: -1 }],
    ['topic.hard_retention_age', { hardRetentionAge: { seconds: 0 } }],
    ['topic.hard_retention_age', { retentionAge: { seconds: 61 }, hardRetentionAge: { seconds: 60 } }],
    ['topic.required_durability', { requiredDurability: 9 as never }],
    ['topic.broker_group', { brokerGroup: 'no spaces' }],
    ['topic.data_sources[1]', { dataSources: ['one', ''] }],
    ['topic.data_sources[1]', { storageClass: StorageClass.MYSQL, dataSources: ['m1', 'm1'] }],
    ['topic.data_sources', { dataSources: ['m1'] }],
    ['topic.retry.max_attempts', { retry: { maxAttempts: 0 } }],
    ['topic.retry.max_attempts', { retry: { maxAttempts: 101 } }],
    ['topic.retry.exponential.multiplier', { retry: exponential({ multiplier: 0.5 }) }],
    ['topic.retry.exponential.multiplier', { retry: exponential({ multiplier: Number.NaN }) }],
    ['topic.retry.exponential.jitter', { retry: exponential({ jitter: 1.1 }) }],
    ['topic.retry.exponential.jitter', { retry: exponential({ jitter: Number.NaN }) }],
    ['topic.retry.exponential.initial', { retry: exponential({ initial: durationFromMs(0) }) }],
    [
      'topic.retry.exponential.max',
      { retry: exponential({ initial: durationFromMs(2_000), max: durationFromMs(1_000) }) },
    ],
    ['topic.retry.list.delays', { retry: { kind: { $case: 'list', value: { delays: [] } } } }],
    ['topic.retry.max_attempts', { retry: { kind: { $case: 'none', value: {} }, maxAttempts: 2 } }],
    ['topic.retry.fixed.delay', { retry: { kind: { $case: 'fixed', value: { delay: { seconds: 90_000 } } } } }],
    ['topic.retry.list.delays[0]', { retry: { kind: { $case: 'list', value: { delays: [{ seconds: -1 }] } } } }],
  ])('%s out of bounds is INVALID_FIELD: %j', (field, fields) => {
    expect(() => fill(fields)).toThrow(
      failure({ code: 'INVALID_FIELD', violations: [expect.objectContaining({ field }) as unknown] }),
    );
  });

  test.each<[RetryPolicy, RetryPolicy]>([
    [
      { kind: { $case: 'fixed', value: { delay: undefined } } },
      { kind: { $case: 'fixed', value: { delay: { seconds: 1, nanos: 0 } } }, maxAttempts: 16 },
    ],
    [
      { kind: { $case: 'list', value: { delays: [{ seconds: 3, nanos: 0 }] } } },
      { kind: { $case: 'list', value: { delays: [{ seconds: 3, nanos: 0 }] } }, maxAttempts: 2 },
    ],
    [{ kind: { $case: 'none', value: {} } }, { kind: { $case: 'none', value: {} }, maxAttempts: 1 }],
  ])('the retry policy %j is filled in', (given, filled) => {
    expect(fill({ retry: given }).retry).toEqual(RetryPolicy.fromPartial(filled));
    expect(fill({ retry: filled }).retry).toEqual(RetryPolicy.fromPartial(filled));
  });

  test('a storage class that is named wins over the server’s, with the data sources that it names', () => {
    const mysql = { storageClass: StorageClass.MYSQL, dataSources: ['m2', 'm1'] };
    const given = Topic.fromPartial({ name: 'orders', ...mysql });
    expect(filledTopic(given, { storageClass: StorageClass.KAFKA })).toMatchObject({ ...mysql, kafka: undefined });
  });

  test.each([
    [StorageClass.EMBEDDED, Durability.REPLICATED],
    [StorageClass.MYSQL, Durability.REPLICATED],
    [StorageClass.KAFKA, Durability.DURABLE],
  ])('storage class %i cannot have durability %i', (storageClass, requiredDurability) => {
    expect(() => fill({ storageClass, requiredDurability })).toThrow(
      failure({ code: 'UNSUPPORTED_BY_STORAGE', details: { feature: 'required_durability' } }),
    );
  });
});

describe('a topic on Kafka', () => {
  const kafka = (fields: Fields): Topic => fill({ storageClass: StorageClass.KAFKA, ...fields });

  test('is REPLICATED and has a Kafka topic of its own by default, also where the server’s default makes it one', () => {
    const own = { requiredDurability: Durability.REPLICATED, kafka: { topic: '', readOnly: false } };
    expect(kafka({})).toMatchObject(own);
    expect(filledTopic(Topic.fromPartial({ name: 'orders' }), { storageClass: StorageClass.KAFKA })).toEqual(kafka({}));
    expect(kafka(kafka({}))).toEqual(kafka({}));
    expect(kafka({ requiredDurability: Durability.BUFFERED })).toMatchObject({
      requiredDurability: Durability.BUFFERED,
    });
  });

  test('is attached to one that exists, read-only or not', () => {
    for (const attached of [
      { topic: 'x'.repeat(249), readOnly: false },
      { topic: '__events.v1', readOnly: true },
    ]) {
      expect(kafka({ kafka: attached })).toMatchObject({ kafka: attached, priorityLevels: 1 });
    }
  });

  test.each<[string, string, Fields]>([
    ['topic.kafka', 'only with storage class KAFKA', { storageClass: StorageClass.MYSQL, kafka: {} }],
    ['topic.kafka', 'only with storage class KAFKA', { storageClass: StorageClass.EMBEDDED, kafka: { topic: 'x' } }],
    ['topic.kafka.topic', '1 to 249', { kafka: { topic: 'x'.repeat(250) } }],
    ['topic.kafka.topic', 'neither . nor ..', { kafka: { topic: '..' } }],
    ['topic.kafka.topic', 'a-z', { kafka: { topic: 'a/b' } }],
    ['topic.kafka.topic', 'a-z', { kafka: { topic: 'a\nb' } }],
    ['topic.kafka.read_only', 'only with kafka.topic', { kafka: { readOnly: true } }],
    ['topic.priority_levels', 'exactly 1', { kafka: { topic: 'x' }, priorityLevels: 2 }],
  ])('%s: %s', (field, limit, fields) => {
    expect(() => kafka(fields)).toThrow(
      failure({
        code: 'INVALID_FIELD',
        violations: [{ field, description: expect.stringContaining(limit) as unknown }],
      }),
    );
  });

  const { EMBEDDED, MYSQL, KAFKA } = StorageClass;
  test.each<[string, Fields, StorageClass[]]>([
    ['none', {}, []],
    ['some of its class', {}, [KAFKA, KAFKA]],
    ['one for the groups’ state alone', {}, [MYSQL]],
    ['one for the groups’ state beside', {}, [KAFKA, MYSQL, KAFKA]],
    ['the cluster that it is attached to', { kafka: { topic: 'x' } }, [MYSQL, KAFKA]],
  ])('may name %s', (_, fields, classes) => {
    expect(() => {
      checkDataSourceClasses(kafka(fields), classes);
    }).not.toThrow();
  });

  test.each<[string, Topic, StorageClass[]]>([
    ['topic.data_sources[2]', kafka({}), [KAFKA, MYSQL, MYSQL]],
    ['topic.data_sources[1]', kafka({}), [KAFKA, EMBEDDED]],
    ['topic.data_sources[1]', fill({ storageClass: MYSQL }), [MYSQL, KAFKA]],
    ['topic.data_sources', kafka({ kafka: { topic: 'x' } }), []],
    ['topic.data_sources', kafka({ kafka: { topic: 'x' } }), [MYSQL]],
    ['topic.data_sources', kafka({ kafka: { topic: 'x' } }), [KAFKA, KAFKA]],
  ])('%s cannot be of other classes: %#', (field, topic, classes) => {
    expect(() => {
      checkDataSourceClasses(topic, classes);
    }).toThrow(failure({ code: 'INVALID_FIELD', violations: [expect.objectContaining({ field }) as unknown] }));
  });

  test('keeps what it is attached to', () => {
    const current = kafka({ kafka: { topic: 'x' } });
    const update = (fields: Fields, ...mask: string[]): Topic =>
      updatedTopic(current, Topic.fromPartial({ name: 'orders', ...fields }), mask);
    expect(() => update({ kafka: { topic: 'x', readOnly: true } }, 'kafka')).toThrow(
      failure({ code: 'IMMUTABLE_FIELD', details: { field: 'topic.kafka' } }),
    );
    expect(update({ kafka: { topic: 'x' }, paused: true }, 'kafka', 'paused')).toEqual({ ...current, paused: true });
    expect(() => update({ priorityLevels: 2 }, 'priority_levels')).toThrow(failure({ code: 'INVALID_FIELD' }));
  });
});

describe('an updated topic', () => {
  const current = fill({ partitions: 4 });
  const update = (fields: Fields, ...mask: string[]): Topic =>
    updatedTopic(current, Topic.fromPartial({ name: 'orders', ...fields }), mask);

  test('changes what the mask names and nothing else', () => {
    expect(update({ paused: true, maxBodyBytes: 5, brokerGroup: 'x' }, 'paused', 'max_body_bytes')).toEqual({
      ...current,
      paused: true,
      maxBodyBytes: 5,
    });
  });

  test.each([[[]], [['nonsense']], [['etag']], [['uid']], [['retry.fixed']], [['constructor']], [['maxBodyBytes']]])(
    'the mask %j is INVALID_FIELD',
    (mask) => {
      expect(() => update({}, ...mask)).toThrow(failure({ code: 'INVALID_FIELD' }));
    },
  );

  test('shrinking and fixed fields are IMMUTABLE_FIELD, growing and the same value are fine', () => {
    expect(() => update({ partitions: 3 }, 'partitions')).toThrow(failure({ code: 'IMMUTABLE_FIELD' }));
    expect(() => update({ storageClass: StorageClass.MYSQL }, 'storage_class')).toThrow(
      failure({ code: 'IMMUTABLE_FIELD', details: { field: 'topic.storage_class' } }),
    );
    expect(update({ partitions: 5 }, 'partitions')).toMatchObject({ partitions: 5 });
    expect(update({ priorityLevels: 2 }, 'priority_levels')).toMatchObject({ priorityLevels: 2 });
    expect(update({ partitions: 4, storageClass: StorageClass.EMBEDDED }, 'partitions', 'storage_class')).toEqual(
      current,
    );
  });
});

function exponential(value: object): object {
  return { kind: { $case: 'exponential', value } };
}
