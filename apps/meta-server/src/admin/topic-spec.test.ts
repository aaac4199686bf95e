import { Durability, durationFromMs, RetryPolicy, StorageClass, Topic } from '@hermes/contracts';

import { filledTopic, updatedTopic } from './topic-spec.js';

/** An error with these fields. */
const failure = (fields: object): Error => expect.objectContaining(fields) as Error;

/** Parts of a topic, as `fromPartial` takes them. */
type Fields = object;

const defaults = {
  storageClass: StorageClass.EMBEDDED,
  servedClasses: new Set<StorageClass>([StorageClass.EMBEDDED]),
};
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
  ])('%s out of bounds is INVALID_FIELD, also where the field is not implemented: %j', (field, fields) => {
    expect(() => fill(fields)).toThrow(
      failure({ code: 'INVALID_FIELD', violations: [expect.objectContaining({ field }) as unknown] }),
    );
  });

  test.each<[string, Fields]>([
    ['storage_class', { storageClass: StorageClass.MYSQL }],
    ['storage_class', { storageClass: StorageClass.KAFKA }],
  ])('%s is NOT_IMPLEMENTED and named', (name, fields) => {
    expect(() => fill(fields)).toThrow(
      failure({ code: 'NOT_IMPLEMENTED', message: expect.stringContaining(name) as unknown }),
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

  test('a served storage class is accepted, with the data sources that it names', () => {
    const mysql = { storageClass: StorageClass.MYSQL, dataSources: ['m2', 'm1'] };
    const given = Topic.fromPartial({ name: 'orders', ...mysql });
    expect(filledTopic(given, { ...defaults, servedClasses: new Set([StorageClass.MYSQL]) })).toMatchObject(mysql);
  });

  test('REPLICATED is nothing that embedded storage has', () => {
    expect(() => fill({ requiredDurability: Durability.REPLICATED })).toThrow(
      failure({ code: 'UNSUPPORTED_BY_STORAGE' }),
    );
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
