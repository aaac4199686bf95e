import {
  BrokerState,
  GetClusterResponse,
  type GetClusterResponse_Broker,
  ListPartitionsRequest,
  ListPartitionsResponse,
  type ListPartitionsResponse_Partition,
  PartitionState,
} from '@hermes/contracts';
import { facts, show, table, timeText } from '../output.js';
import { type Session } from '../session.js';

const BROKER_STATES = {
  [BrokerState.ACTIVE]: 'active',
  [BrokerState.DRAINING]: 'draining',
  [BrokerState.GONE]: 'gone',
  [BrokerState.UNSPECIFIED]: '',
};
const PARTITION_STATES = {
  [PartitionState.OWNED]: 'owned',
  [PartitionState.MOVING]: 'moving',
  [PartitionState.UNOWNED]: 'unowned',
  [PartitionState.UNSPECIFIED]: '',
};

/** hermes cluster */
export async function showCluster(session: Session): Promise<void> {
  await show(session, await getCluster(session), GetClusterResponse, (cluster) => [
    ...facts([
      ['leader', cluster.leaderEndpoint],
      ['leader epoch', cluster.leaderEpoch],
      ['leader since', timeText(cluster.leadershipTerms[0]?.since)],
      ['meta-servers', cluster.metaServers.join(', ')],
      ['unowned partitions', cluster.unownedPartitions],
    ]),
    '',
    ...brokerTable(cluster.brokers),
  ]);
}

/** hermes broker list */
export async function listBrokers(session: Session): Promise<void> {
  await show(session, await getCluster(session), GetClusterResponse, ({ brokers }) => brokerTable(brokers));
}

/** hermes partition list [T] */
export async function listPartitions(session: Session, topic: string): Promise<void> {
  const found = await readPartitions(session, topic);
  await show(session, { partitions: found, nextPageToken: '' }, ListPartitionsResponse, ({ partitions }) =>
    table(
      ['TOPIC', 'PARTITION', 'BROKER', 'EPOCH', 'STATE', 'PLACE', 'MOVED'],
      partitions.map((one) => [
        ...[one.topic, one.partition, one.broker, one.epoch, PARTITION_STATES[one.state]],
        ...[placeWord(one), one.pinned ? 'by hand' : ''],
      ]),
    ),
  );
}

/** `m1`; `k1 + DIRECTORY` for what is on a data source and bound to a data directory. */
function placeWord({ dataSource, dataDirectory }: ListPartitionsResponse_Partition): string {
  return [...new Set([dataSource, dataDirectory])].filter((place) => place !== '').join(' + ');
}

/** All partitions of a topic, of every topic if it is empty. */
export async function readPartitions(session: Session, topic: string): Promise<ListPartitionsResponse_Partition[]> {
  const found: ListPartitionsResponse_Partition[] = [];
  let pageToken = '';
  do {
    const request = ListPartitionsRequest.fromPartial({ topic, pageToken });
    const page = await session.unary<ListPartitionsResponse>((metadata, options, done) =>
      session.admin.listPartitions(request, metadata, options, done),
    );
    pageToken = page.nextPageToken;
    found.push(...page.partitions);
  } while (pageToken !== '');
  return found;
}

function getCluster(session: Session): Promise<GetClusterResponse> {
  return session.unary((metadata, options, done) => session.admin.getCluster({}, metadata, options, done));
}

function brokerTable(brokers: readonly GetClusterResponse_Broker[]): string[] {
  if (brokers.length === 0) {
    return ['no brokers yet – start one with `hermes broker`'];
  }
  return table(
    ['BROKER', 'ENDPOINT', 'ZONE', 'GROUP', 'STATE', 'PARTITIONS', 'BUILD'],
    brokers.map((one) => [
      ...[one.name, one.endpoint, one.zone, one.brokerGroup],
      ...[BROKER_STATES[one.state], one.partitions, one.build],
    ]),
  );
}
