import { type DataSource, HermesError, StorageClass } from '@hermes/contracts';
import { type Logger, parseAddress } from '@hermes/kit';
import { type SecretReference } from '@hermes/log';
import { type MysqlAccess, type MysqlNotice, type MysqlServerOptions, openMysqlEngine } from '@hermes/log-mysql';
import {
  type ConnectedServer,
  type DataSourceCounters,
  type ServerContext,
  tlsReferences,
} from './connected-server.js';
import { durabilityOf } from './durability.js';

/** Connects to a MySQL server. Rejects with StoreError if it cannot be had. */
export async function openMysqlServer(
  server: MysqlServerOptions | MysqlAccess,
  context: ServerContext,
): Promise<ConnectedServer> {
  const { environment, clock, timers, random, logger, counters } = context;
  const engine = await openMysqlEngine({
    ...{ server, environment, clock, timers, random },
    onNotice: (notice) => {
      tell(notice, logger, counters);
    },
  });
  return {
    engine,
    problem: () => engine.problem,
    unreachable: () => engine.unreachable,
    version: () => engine.facts.version,
    durability: () => durabilityOf(engine.capabilities.durability),
  };
}

function tell(notice: MysqlNotice, logger: Logger, counters: DataSourceCounters): void {
  switch (notice.kind) {
    case 'recordsLost': {
      const { topicId, partition, lane, from, count } = notice;
      counters.lostRecords += count;
      logger.error({ topicId, partition, lane, from, count }, 'acknowledged records are gone from the server');
      break;
    }
    case 'serverChanged':
      counters.serverChanges += 1;
      logger.error({ server: notice.facts.version }, 'another server answers, or a restored one: partitions re-open');
      break;
    case 'durabilityChanged':
      logger.warn({ durability: notice.facts.durability }, 'the server flushes or replicates otherwise than before');
      break;
    case 'taskFailed':
      logger.warn({ err: notice.error, task: notice.task }, 'background work on a data source failed');
  }
}

/** The server that a data source names. The meta-server has checked it; what came from elsewhere is refused. */
export function mysqlServerOf(source: DataSource): MysqlServerOptions {
  const { name, storageClass, endpoints, database, username, secret, tls } = source;
  const address = parseAddress(endpoints[0] ?? '');
  if (storageClass !== StorageClass.MYSQL || address === undefined) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', `this broker cannot use data source ${name} as a MySQL server`);
  }
  return {
    ...address,
    ...{ database, user: username },
    ...(secret === '' ? {} : { password: secret as SecretReference }),
    ...(tls === undefined ? {} : { tls: tlsReferences(tls) }),
  };
}
