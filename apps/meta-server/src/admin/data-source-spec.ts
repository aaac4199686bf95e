import { checkName, type DataSource, HermesError, invalidField, StorageClass } from '@hermes/contracts';

import { parseAddress } from '@hermes/kit';
import { isIP } from 'node:net';

import { checkEndpoint } from '../leases/endpoint.js';
import { knownEnum, refuse } from './field-check.js';
import { filledSourceKafka } from './kafka-source-spec.js';

/** MySQL's limit. */
const DATABASE_NAME = /^[A-Za-z0-9_$-]{1,64}$/;
/** MariaDB takes up to 128 characters; control characters are a mistake. */
const USERNAME = /^[^\p{Cc}]{1,128}$/u;
const SECRET = /^(file:[^\p{Cc}]{1,4096}|env:[A-Za-z_][A-Za-z0-9_]{0,255})$/u;

/** One is enough while it answers; the others are for when it does not. */
const BOOTSTRAP_SERVERS_MAX = 16;

/** A new data source with its defaults filled in and without what only an answer has. What is no reference is never repeated. */
export function checkedDataSource(given: DataSource | undefined): DataSource {
  if (given === undefined) {
    throw invalidField('data_source', 'required');
  }
  refuse(checkName(given.name, 'data_source.name'));
  const storageClass = knownEnum('data_source.storage_class', given.storageClass, {
    of: StorageClass,
    default: StorageClass.UNSPECIFIED,
  });
  if (storageClass === StorageClass.UNSPECIFIED || storageClass === StorageClass.EMBEDDED) {
    throw invalidField('data_source.storage_class', 'MYSQL or KAFKA');
  }
  checkEndpoints(given);
  checkSecret('data_source.secret', given.secret);
  checkTls(given);
  if (storageClass === StorageClass.KAFKA) {
    return { ...given, ...checkedKafka(given), health: [] };
  }
  checkMysql(given);
  return { ...given, health: [] };
}

function checkMysql({ database, username, kafka }: DataSource): void {
  if (!DATABASE_NAME.test(database)) {
    throw invalidField('data_source.database', '1 to 64 of A-Z, a-z, 0-9, _, $ and -');
  }
  if (!USERNAME.test(username)) {
    throw invalidField('data_source.username', '1 to 128 characters');
  }
  if (kafka !== undefined) {
    throw invalidField('data_source.kafka', 'only with storage class KAFKA');
  }
}

function checkedKafka(given: DataSource): Pick<DataSource, 'kafka'> {
  const { database, username } = given;
  if (database !== '') {
    throw invalidField('data_source.database', 'none: Kafka has no databases');
  }
  if (username !== '' && !USERNAME.test(username)) {
    throw invalidField('data_source.username', 'at most 128 characters');
  }
  return { kafka: filledSourceKafka(given) };
}

function checkTls({ storageClass, tls, endpoints }: DataSource): void {
  if (tls === undefined) {
    return;
  }
  const verifiesNames = storageClass === StorageClass.MYSQL;
  if (verifiesNames && endpoints.some((endpoint) => isIP(parseAddress(endpoint)?.host ?? '') !== 0)) {
    throw invalidField('data_source.tls', 'endpoints by host name, which TLS verifies');
  }
  for (const name of ['ca', 'certificate', 'key'] as const) {
    checkSecret(`data_source.tls.${name}`, tls[name]);
  }
  if ((tls.certificate === '') !== (tls.key === '')) {
    throw invalidField('data_source.tls', 'a certificate and its key, or neither');
  }
}

function checkSecret(field: string, reference: string): void {
  if (reference !== '' && !SECRET.test(reference)) {
    throw invalidField(field, 'file:PATH or env:NAME at the broker, never the secret itself');
  }
}

function checkEndpoints({ endpoints, storageClass }: DataSource): void {
  // One writer: the fence is a primary key, and two writers would be two keys.
  const countMax = storageClass === StorageClass.MYSQL ? 1 : BOOTSTRAP_SERVERS_MAX;
  if (endpoints.length === 0 || endpoints.length > countMax) {
    throw invalidField(
      'data_source.endpoints',
      countMax === 1 ? 'exactly one host:port' : `1 to ${countMax} host:port`,
    );
  }
  for (const [index, endpoint] of endpoints.entries()) {
    refuse(checkEndpoint(`data_source.endpoints[${index}]`, endpoint));
  }
}

/** There is no such data source. */
export function dataSourceNotFound(name: string): HermesError {
  return new HermesError('DATA_SOURCE_NOT_FOUND', `there is no data source ${name}`, {
    details: { data_source: name },
  });
}
