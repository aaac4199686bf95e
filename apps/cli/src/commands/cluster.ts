import {
  AssignmentReason,
  BrokerState,
  type Duration,
  durationToMs,
  type GetClusterRequest,
  GetClusterResponse,
  type GetClusterResponse_Broker,
  type GetClusterResponse_Consumer,
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
const REASONS = {
  [AssignmentReason.ADOPTED]: 'adopted',
  [AssignmentReason.CREATED]: 'created',
  [AssignmentReason.BALANCED]: 'balanced',
  [AssignmentReason.OWNER_LOST]: 'owner lost',
  [AssignmentReason.RELEASED]: 'released',
  [AssignmentReason.DRAINED]: 'drained',
  [AssignmentReason.MOVED]: 'moved by hand',
  [AssignmentReason.DATA_DIRECTORY]: 'data directory',
  [AssignmentReason.UNSPECIFIED]: '',
};

/** hermes cluster */
export async function showCluster(session: Session): Promise<void> {
  await show(session, await getCluster(session, { consumers: true }), GetClusterResponse, (cluster) => [
    ...facts([
      ['leader', cluster.leaderEndpoint],
      ['leader epoch', cluster.leaderEpoch],
      ['leader since', timeText(cluster.leadershipTerms[0]?.since)],
      ['meta-servers', cluster.metaServers.join(', ')],
      ['unowned partitions', cluster.unownedPartitions],
    ]),
    '',
    ...brokerTable(cluster.brokers),
    ...consumerTable(cluster.consumers),
  ]);
}

/** hermes broker list */
export async function listBrokers(session: Session): Promise<void> {
  await show(session, await getCluster(session, {}), GetClusterResponse, ({ brokers }) => brokerTable(brokers));
}

/** hermes partition list [T] */
export async function listPartitions(session: Session, topic: string): Promise<void> {
  const found = await readPartitions(session, topic);
  await show(session, { partitions: found, nextPageToken: '' }, ListPartitionsResponse, ({ partitions }) =>
    table(
      ['TOPIC', 'PARTITION', 'BROKER', 'EPOCH', 'STATE', 'PLACE', 'REASON'],
      partitions.map((one) => [
        ...[one.topic, one.partition, one.broker, one.epoch, PARTITION_STATES[one.state]],
        ...[placeWord(one), REASONS[one.reason]],
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

function getCluster(session: Session, request: GetClusterRequest): Promise<GetClusterResponse> {
  return session.unary((metadata, options, done) => session.admin.getCluster(request, metadata, options, done));
}

function brokerTable(brokers: readonly GetClusterResponse_Broker[]): string[] {
  if (brokers.length === 0) {
    return ['no brokers yet – start one with `hermes broker`'];
  }
  return table(
    ['BROKER', 'ENDPOINT', 'ZONE', 'GROUP', 'WEIGHT', 'STATE', 'PARTITIONS', 'MOVING', 'LEASE', 'INCARNATION', 'BUILD'],
    brokers.map((one) => [
      ...[one.name, one.endpoint, one.zone, one.brokerGroup, one.weight === 0 ? '' : one.weight, brokerState(one)],
      ...[one.partitions, one.movingPartitions],
      ...[seconds(one.leaseLeft), one.incarnation === 0 ? '' : String(one.incarnation), one.build],
    ]),
  );
}

/** An operator's drain outlasts the process; a process that stops drains itself. */
function brokerState({ state, drained }: GetClusterResponse_Broker): string {
  if (state === BrokerState.DRAINING) {
    return drained ? 'draining' : 'stopping';
  }
  return drained ? `${BROKER_STATES[state]}, drained` : BROKER_STATES[state];
}

function consumerTable(consumers: readonly GetClusterResponse_Consumer[]): string[] {
  const rows = consumers.map((one) => [
    ...[one.topic, one.group, one.consumer, one.connected ? 'connected' : 'away', seconds(one.leaseLeft)],
    heldText(one.held),
  ]);
  return rows.length === 0 ? [] : ['', ...table(['TOPIC', 'GROUP', 'CONSUMER', 'STATE', 'LEASE', 'HOLDS'], rows)];
}

/** `0-3@7 5@9`: partitions and the consumer_epoch there. */
function heldText(held: GetClusterResponse_Consumer['held']): string {
  const runs: { first: number; last: number; epoch: number }[] = [];
  for (const { partition, epoch } of held) {
    const run = runs.at(-1);
    if (run?.epoch === epoch && run.last === partition - 1) {
      run.last = partition;
    } else {
      runs.push({ first: partition, last: partition, epoch });
    }
  }
  return runs.map(({ first, last, epoch }) => `${first === last ? first : `${first}-${last}`}@${epoch}`).join(' ');
}

/** `9.8s`; absent if it is. */
function seconds(duration: Duration | undefined): string | undefined {
  return duration && `${((durationToMs(duration) ?? 0) / 1000).toFixed(1)}s`;
}
