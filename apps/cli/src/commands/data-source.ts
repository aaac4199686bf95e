import {
  CreateDataSourceRequest,
  CreateDataSourceResponse,
  type DataSource,
  ListDataSourcesRequest,
  ListDataSourcesResponse,
} from '@hermes/contracts';
import { type DataSourceFlags } from '../flags/resource-flags.js';
import { EMPTY, facts, show, table } from '../output.js';
import { type Session } from '../session.js';
import { dataSourceOf, durabilityWord, storageWord } from './resource-fields.js';

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
    ['DATA SOURCE', 'CLASS', 'ENDPOINTS', 'DATABASE', 'USER', 'SECRET', 'TLS', 'HEALTH'],
    sources.map((source) => [
      ...[source.name, storageWord(source.storageClass), source.endpoints.join(','), source.database],
      ...[source.username, source.secret, source.tls === undefined ? 'no' : 'yes', health(source)],
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
    ['database', source.database],
    ['user', source.username],
    ['secret', source.secret],
    ['tls', source.tls === undefined ? 'no' : 'yes'],
    ['health', health(source)],
  ]);
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
