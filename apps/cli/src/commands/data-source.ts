import {
  CreateDataSourceRequest,
  CreateDataSourceResponse,
  type DataSource,
  type DataSource_Kafka,
  GetDataSourceResponse,
  ListDataSourcesRequest,
  ListDataSourcesResponse,
} from '@hermes/contracts';
import { type DataSourceFlags } from '../flags/resource-flags.js';
import { EMPTY, facts, show, table } from '../output.js';
import { type Session } from '../session.js';
import { dataSourceOf, durabilityWord, saslWord, storageWord } from './resource-fields.js';

/** hermes datasource create NAME */
export async function createDataSource(session: Session, name: string, flags: DataSourceFlags): Promise<void> {
  const request = CreateDataSourceRequest.fromPartial({ dataSource: dataSourceOf(name, flags) });
  const response = await session.unary<CreateDataSourceResponse>((metadata, options, done) =>
    session.admin.createDataSource(request, metadata, options, done),
  );
  await show(session, response, CreateDataSourceResponse, ({ dataSource }) => dataSourceFacts(dataSource));
}

/** hermes datasource list */
export async function listDataSources(session: Session): Promise<void> {
  const found: DataSource[] = [];
  let pageToken = '';
  do {
    const request = ListDataSourcesRequest.fromPartial({ pageToken });
    const page = await session.unary<ListDataSourcesResponse>((metadata, options, done) =>
      session.admin.listDataSources(request, metadata, options, done),
    );
    pageToken = page.nextPageToken;
    found.push(...page.dataSources);
  } while (pageToken !== '');
  const response = { dataSources: found, nextPageToken: '' };
  await show(session, response, ListDataSourcesResponse, ({ dataSources }) => dataSourceTable(dataSources));
}

/** hermes datasource describe NAME */
export async function describeDataSource(session: Session, name: string): Promise<void> {
  const response = await session.unary<GetDataSourceResponse>((metadata, options, done) =>
    session.admin.getDataSource({ dataSource: name }, metadata, options, done),
  );
  await show(session, response, GetDataSourceResponse, ({ dataSource }) => dataSourceFacts(dataSource));
}

/** hermes datasource delete NAME */
export async function deleteDataSource(session: Session, name: string): Promise<void> {
  const response = await session.unary((metadata, options, done) =>
    session.admin.deleteDataSource({ dataSource: name }, metadata, options, done),
  );
  await show(session, response, EMPTY, () => [`data source ${name} is deleted`]);
}

function dataSourceTable(sources: readonly DataSource[]): string[] {
  if (sources.length === 0) {
    return ['no data sources yet – add one with `hermes datasource create NAME`'];
  }
  return table(
    ['DATA SOURCE', 'CLASS', 'ENDPOINTS', 'DATABASE OR PREFIX', 'USER', 'SECRET', 'TLS', 'HEALTH'],
    sources.map((source) => [
      ...[source.name, storageWord(source.storageClass), source.endpoints.join(',')],
      ...[source.kafka?.topicPrefix ?? source.database, user(source), source.secret],
      ...[source.tls === undefined ? 'no' : 'yes', health(source)],
    ]),
  );
}

function dataSourceFacts(source: DataSource | undefined): string[] {
  if (source === undefined) {
    return [];
  }
  return facts([
    ['data source', source.name],
    ['storage class', storageWord(source.storageClass)],
    ['endpoints', source.endpoints.join(', ')],
    ...(source.kafka === undefined ? [['database', source.database] as const] : kafkaFacts(source.kafka)),
    ['user', user(source)],
    ['secret', source.secret],
    ['tls', source.tls === undefined ? 'no' : 'yes'],
    ['health', health(source)],
  ]);
}

function kafkaFacts({ replicationFactor, topicConfig, topicPrefix }: DataSource_Kafka): (readonly [string, string])[] {
  return [
    ['topic prefix', topicPrefix],
    ['replication factor', replicationFactor === 0 ? 'the cluster’s default' : String(replicationFactor)],
    ['topic config', [...topicConfig].map(([name, value]) => `${name}=${value}`).join(', ')],
  ];
}

/** `broker`, `broker (scram-sha-256)` */
function user({ username, kafka }: DataSource): string {
  const sasl = kafka === undefined ? '' : saslWord(kafka.sasl);
  return sasl === '' ? username : `${username} (${sasl})`;
}

/** What the brokers find, problems first and alone. */
function health({ health: found }: DataSource): string {
  const problems = found.filter(({ problem }) => problem !== '');
  if (problems.length > 0) {
    return problems.map(({ broker, problem }) => `${broker}: ${problem}`).join('; ');
  }
  const [first] = found;
  return first === undefined
    ? 'used by no broker yet'
    : `ok for ${found.length} broker${found.length === 1 ? '' : 's'}, ${first.version}, ${durabilityWord(first.durability)}`;
}
