import { DataSource, SaslMechanism, StorageClass } from '@hermes/contracts';

import { checkedDataSource } from './data-source-spec.js';

/** Parts of a data source, as `fromPartial` takes them. */
type Fields = object;

const CLASSES = {
  mysql: { storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], database: 'hermes', username: 'u' },
  kafka: { storageClass: StorageClass.KAFKA, endpoints: ['k1:9092'] },
};
const given = (kind: keyof typeof CLASSES, fields: Fields): DataSource =>
  DataSource.fromPartial({ name: 'one', ...CLASSES[kind], ...fields });
const check = (kind: keyof typeof CLASSES, fields: Fields = {}): DataSource => checkedDataSource(given(kind, fields));
const config = (...entries: [string, string][]): Fields => ({ kafka: { topicConfig: new Map(entries) } });
const many = (count: number): [string, string][] => Array.from({ length: count }, (_, nth) => [`a.${nth}`, '1']);

function expectInvalid(run: () => unknown, field: string): void {
  let failure: unknown;
  try {
    run();
  } catch (error) {
    failure = error;
  }
  expect(failure).toMatchObject({ code: 'INVALID_FIELD', violations: [{ field: `data_source.${field}` }] });
  expect(String(failure)).not.toContain('hunter2');
}

describe('a MySQL data source', () => {
  test('is as it was given, without what only an answer has', () => {
    const fields = { secret: 'file:/run/secret', tls: { ca: 'env:CA' } };
    expect(check('mysql', { ...fields, health: [{ broker: 'b' }] })).toEqual(given('mysql', fields));
  });

  test.each<[string, Fields]>([
    ['name', { name: 'no spaces' }],
    ['storage_class', { storageClass: StorageClass.UNSPECIFIED }],
    ['storage_class', { storageClass: StorageClass.EMBEDDED }],
    ['storage_class', { storageClass: 99 }],
    ['endpoints', { endpoints: [] }],
    ['endpoints', { endpoints: ['a:1', 'b:1'] }],
    ['endpoints[0]', { endpoints: ['no port'] }],
    ['database', { database: '' }],
    ['database', { database: 'a`; drop' }],
    ['username', { username: '' }],
    ['secret', { secret: 'hunter2' }],
    ['secret', { secret: 'env:1 2' }],
    ['tls.ca', { tls: { ca: '/etc/ca.pem' } }],
    ['tls.key', { tls: { key: 'hunter2' } }],
    ['tls', { tls: { certificate: 'env:C' } }],
    ['tls', { tls: {}, endpoints: ['10.0.0.7:3306'] }],
    ['kafka', { kafka: {} }],
  ])('%s out of bounds is INVALID_FIELD: %j', (field, fields) => {
    expectInvalid(() => check('mysql', fields), field);
  });
});

describe('a Kafka data source', () => {
  const user = { username: 'u', secret: 'env:KAFKA_PASSWORD' };

  test('gets every default: no SASL without a username, PLAIN with one', () => {
    const kafka = {
      sasl: SaslMechanism.UNSPECIFIED,
      replicationFactor: 0,
      topicConfig: new Map(),
      topicPrefix: 'hermes',
    };
    expect(check('kafka').kafka).toEqual(kafka);
    expect(check('kafka', user).kafka).toEqual({ ...kafka, sasl: SaslMechanism.PLAIN });
    const filled = check('kafka', user);
    expect(checkedDataSource(filled)).toEqual(filled);
  });

  test('takes everything at its limit, and keeps settings in the order of their names', () => {
    const topicConfig = new Map([...many(62), ['min.insync.replicas', '2'], ['cleanup.policy', 'delete']] as const);
    const kafka = {
      sasl: SaslMechanism.SCRAM_SHA_512,
      replicationFactor: 32_767,
      topicConfig,
      topicPrefix: 'p'.repeat(128),
    };
    const endpoints = Array.from({ length: 16 }, (_, nth) => `10.0.0.${nth}:9092`);
    const checked = check('kafka', { ...user, endpoints, tls: {}, kafka });
    expect(checked).toMatchObject({ endpoints, kafka });
    const names = [...(checked.kafka?.topicConfig.keys() ?? [])];
    expect(names).toEqual([...topicConfig.keys()].sort());
  });

  test.each<[string, Fields]>([
    ['endpoints', { endpoints: [] }],
    ['endpoints', { endpoints: Array.from({ length: 17 }, () => 'k:9092') }],
    ['endpoints[1]', { endpoints: ['k:9092', 'PLAINTEXT://k:9092'] }],
    ['database', { database: 'hermes' }],
    ['username', { username: 'a\0b', secret: 'env:P' }],
    ['username', { username: 'u'.repeat(129), secret: 'env:P' }],
    ['username', { secret: 'env:P' }],
    ['username', { kafka: { sasl: SaslMechanism.SCRAM_SHA_256 } }],
    ['secret', { username: 'u' }],
    ['secret', { username: 'u', secret: 'hunter2' }],
    ['tls', { tls: { key: 'env:K' } }],
    ['kafka.sasl', { ...user, kafka: { sasl: 99 } }],
    ['kafka.replication_factor', { kafka: { replicationFactor: -1 } }],
    ['kafka.replication_factor', { kafka: { replicationFactor: 32_768 } }],
    ['kafka.topic_prefix', { kafka: { topicPrefix: 'p'.repeat(129) } }],
    ['kafka.topic_prefix', { kafka: { topicPrefix: 'a/b' } }],
    ['kafka.topic_config', config(...many(65))],
    ['kafka.topic_config', config(['', '1'])],
    ['kafka.topic_config', config(['n'.repeat(129), '1'])],
    ['kafka.topic_config', config(['__proto__', '1'])],
    ['kafka.topic_config.a.b', config(['a.b', 'v'.repeat(1_025)])],
    ['kafka.topic_config.a.b', config(['a.b', '1\n2'])],
    ['kafka.topic_config.cleanup.policy', config(['cleanup.policy', 'compact,delete'])],
  ])('%s out of bounds is INVALID_FIELD: %j', (field, fields) => {
    expectInvalid(() => check('kafka', fields), field);
  });
});
