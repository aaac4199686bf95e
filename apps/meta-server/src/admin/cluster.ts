import {
  AssignmentReason,
  BrokerState,
  checkName,
  checkTopicName,
  type DrainBrokerRequest,
  type DrainBrokerResponse,
  durationFromMs,
  type GetClusterRequest,
  type GetClusterResponse,
  type GetClusterResponse_Broker,
  type GetClusterResponse_Consumer,
  HermesError,
  invalidField,
  LIMITS,
  type ListPartitionsRequest,
  type ListPartitionsResponse,
  type MovePartitionRequest,
  type MovePartitionResponse,
  PartitionState,
  type RebalanceRequest,
  type RebalanceResponse,
  timestampFromMs,
} from '@hermes/contracts';
import {
  type BrokerView,
  type ConsumerView,
  type MoveRefusal,
  type PartitionMove,
  type PartitionRef,
  type PartitionView,
} from '@hermes/coordination';
import { type Leader, type MetaServerStore } from '@hermes/metadata';

import { refuse } from './field-check.js';
import { type Waiting } from './cluster-view.js';
import { cutPage, readPage } from './page.js';
import { topicNotFound } from './topics.js';

/** What the leases tell about brokers and partitions, and what an operator may change. */
export interface LeaseControl {
  brokers(): readonly BrokerView[];
  /** All consumers that hold leases, in no order. */
  consumers(): readonly ConsumerView[];
  /** Version of the program that a broker runs; empty = it has not said. */
  buildOf(broker: string): string;
  /** By topic and number; those of one topic if given; undefined: there is no such topic. */
  partitions(topic?: string): readonly PartitionView[] | undefined;
  /** Starts or ends a drain; undefined: no such broker. Else the number of partitions that it still owns. */
  drain(broker: string, cancel: boolean): Promise<number | undefined>;
  moveRefusal(partition: PartitionRef, broker: string): MoveRefusal | undefined;
  /** Moves it and gives its epoch once it is served there; PARTITION_MOVING just before the deadline: it still moves. */
  move(partition: PartitionRef, broker: string, waiting: Waiting): Promise<number>;
  /** Ends moves by hand and gives what is moved therefore, or only would be. */
  rebalance(dryRun: boolean): Promise<readonly PartitionMove[]>;
}

/** Who answers, and what it knows of its like. */
export interface LeaderFacts extends Leader {
  readonly metaServers: Pick<MetaServerStore, 'list' | 'terms'>;
}

/** Digits of a partition's number in a page token: 1,024 partitions at most, and order by text is order by number. */
const PARTITION_DIGITS = 4;

/** The cluster calls of AdminService. */
export class ClusterAdmin {
  readonly #leases: LeaseControl;
  readonly #leader: LeaderFacts;

  constructor(leases: LeaseControl, leader: LeaderFacts) {
    this.#leases = leases;
    this.#leader = leader;
  }

  async getCluster(request: GetClusterRequest): Promise<GetClusterResponse> {
    const { endpoint, epoch, metaServers: store } = this.#leader;
    const [metaServers, terms] = await Promise.all([store.list(), store.terms()]);
    const partitions = this.#leases.partitions() ?? [];
    const brokers = this.#leases.brokers().map((view) => brokerOf(view, this.#leases.buildOf(view.name)));
    const consumers = request.consumers === true ? this.#leases.consumers().map(consumerOf) : [];
    return {
      leaderEndpoint: endpoint,
      leaderEpoch: epoch,
      metaServers,
      unownedPartitions: partitions.filter(({ state }) => state === 'UNOWNED').length,
      brokers: brokers.sort((a, b) => (a.name < b.name ? -1 : 1)),
      leadershipTerms: terms.map(({ sinceMs, ...term }) => ({ ...term, since: timestampFromMs(sinceMs) })),
      consumers: consumers.sort(byGroup),
    };
  }

  async listPartitions(request: ListPartitionsRequest): Promise<ListPartitionsResponse> {
    const { topic } = request;
    if (topic !== '') {
      refuse(checkTopicName(topic));
    }
    const scope = `partitions:${topic}`;
    const page = readPage(scope, request);
    const all = this.#leases.partitions(topic === '' ? undefined : topic);
    if (all === undefined) {
      throw topicNotFound(topic);
    }
    const after = all.map((view) => ({ view, name: nameOf(view) })).filter(({ name }) => name > page.after);
    after.sort((a, b) => (a.name < b.name ? -1 : 1));
    const { entries, nextPageToken } = cutPage(scope, after, page, ({ name }) => name);
    const partitions = entries.map(({ view: { topic, partition, broker, epoch, ...view } }) => ({
      ...{ topic, partition, broker, epoch, state: PartitionState[view.state] },
      ...{ dataSource: view.dataSource, dataDirectory: view.dataDirectory, pinned: view.pinned },
      reason: AssignmentReason[view.reason ?? 'UNSPECIFIED'],
    }));
    return Promise.resolve({ partitions, nextPageToken });
  }

  async drainBroker({ broker, cancel }: DrainBrokerRequest): Promise<DrainBrokerResponse> {
    refuse(checkName(broker, 'broker'));
    const partitionsLeft = await this.#leases.drain(broker, cancel);
    if (partitionsLeft === undefined) {
      throw brokerNotFound(broker);
    }
    return { partitionsLeft };
  }

  async movePartition(request: MovePartitionRequest, waiting: Waiting): Promise<MovePartitionResponse> {
    const { topic, partition, broker } = request;
    refuse(checkTopicName(topic));
    refuse(checkName(broker, 'broker'));
    if (partition < 0 || partition >= LIMITS.partitions.max) {
      throw invalidField('partition', `0 to ${LIMITS.partitions.max - 1}`);
    }
    const refusal = this.#leases.moveRefusal({ topic, partition }, broker);
    if (refusal !== undefined) {
      throw refusedMove(refusal, request);
    }
    return { epoch: await this.#leases.move({ topic, partition }, broker, waiting) };
  }

  async rebalance({ dryRun }: RebalanceRequest): Promise<RebalanceResponse> {
    const moves = await this.#leases.rebalance(dryRun);
    return {
      moves: moves.map(({ topic, partition, from, to }) => ({ topic, partition, fromBroker: from, toBroker: to })),
    };
  }
}

function brokerOf({ state, lease, ...view }: BrokerView, build: string): GetClusterResponse_Broker {
  const { incarnation = 0, weight = 0 } = lease ?? {};
  const leaseLeft = lease && durationFromMs(lease.leftMs);
  return { ...view, state: BrokerState[state], build, incarnation, weight, leaseLeft };
}

function consumerOf({ leaseLeftMs, held, ...view }: ConsumerView): GetClusterResponse_Consumer {
  return { ...view, held: [...held], leaseLeft: durationFromMs(leaseLeftMs) };
}

function byGroup(a: GetClusterResponse_Consumer, b: GetClusterResponse_Consumer): number {
  return compare(a.topic, b.topic) || compare(a.group, b.group) || compare(a.consumer, b.consumer);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function refusedMove(refusal: MoveRefusal, { topic, partition, broker }: MovePartitionRequest): HermesError {
  switch (refusal.kind) {
    case 'unknownTopic':
      return topicNotFound(topic);
    case 'unknownPartition':
      return invalidField('partition', `0 to ${refusal.partitions - 1}: topic ${topic} has no more`);
    case 'unknownBroker':
      return brokerNotFound(broker);
    case 'brokerNotActive':
      return new HermesError('BROKER_NOT_ACTIVE', `broker ${broker} is drained or gone`, { details: { broker } });
    case 'inDataDirectory':
      return new HermesError(
        'UNSUPPORTED_BY_STORAGE',
        `partition ${partition} of topic ${topic} is bound to a broker's data directory and stays there`,
        { details: { feature: 'MovePartition' } },
      );
    case 'otherBrokerGroup':
      return invalidField('broker', `a broker of group ${refusal.brokerGroup}, as topic ${topic} asks for`);
    case 'full':
      return new HermesError('QUOTA_EXCEEDED', `broker ${broker} takes ${refusal.capacity} partitions at most`);
  }
}

function brokerNotFound(broker: string): HermesError {
  return new HermesError('BROKER_NOT_FOUND', `there is no broker ${broker}`, { details: { broker } });
}

/** NUL sorts below every character of a name: order by this text is order by topic, then by number. */
function nameOf({ topic, partition }: PartitionView): string {
  return `${topic}\0${String(partition).padStart(PARTITION_DIGITS, '0')}`;
}
