import {
  BrokerState,
  checkName,
  checkTopicName,
  type DrainBrokerRequest,
  type DrainBrokerResponse,
  type GetClusterResponse,
  HermesError,
  type ListPartitionsRequest,
  type ListPartitionsResponse,
  PartitionState,
} from '@hermes/contracts';
import { type BrokerView, type PartitionView } from '@hermes/coordination';

import { refuse } from './field-check.js';
import { cutPage, readPage } from './page.js';
import { topicNotFound } from './topics.js';

/** What the leases tell about brokers and partitions. */
export interface LeaseViews {
  brokers(): readonly BrokerView[];
  /** Version of the program that a broker runs; empty = it has not said. */
  buildOf(broker: string): string;
  /** By topic and number; those of one topic if given; undefined: there is no such topic. */
  partitions(topic?: string): readonly PartitionView[] | undefined;
  /** Starts or ends a drain; undefined: no such broker. Else the number of partitions that it still owns. */
  drain(broker: string, cancel: boolean): Promise<number | undefined>;
}

/** Who answers. */
export interface Leader {
  readonly endpoint: string;
  readonly epoch: number;
}

/** Digits of a partition's number in a page token: 1,024 partitions at most, and order by text is order by number. */
const PARTITION_DIGITS = 4;

/** The cluster calls of AdminService. */
export class ClusterAdmin {
  readonly #leases: LeaseViews;
  readonly #leader: () => Leader;

  constructor(leases: LeaseViews, leader: () => Leader) {
    this.#leases = leases;
    this.#leader = leader;
  }

  getCluster(): Promise<GetClusterResponse> {
    const { endpoint, epoch } = this.#leader();
    const partitions = this.#leases.partitions() ?? [];
    const brokers = this.#leases.brokers().map(({ name, endpoint, zone, brokerGroup, state, partitions }) => ({
      ...{ name, endpoint, zone, brokerGroup, partitions },
      state: BrokerState[state],
      build: this.#leases.buildOf(name),
    }));
    return Promise.resolve({
      leaderEndpoint: endpoint,
      leaderEpoch: epoch,
      metaServers: [endpoint],
      unownedPartitions: partitions.filter(({ state }) => state === 'UNOWNED').length,
      brokers: brokers.sort((a, b) => (a.name < b.name ? -1 : 1)),
    });
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
    const partitions = entries.map(({ view: { topic, partition, broker, epoch, state, dataSource } }) => ({
      ...{ topic, partition, broker, epoch, dataSource },
      state: PartitionState[state],
    }));
    return Promise.resolve({ partitions, nextPageToken });
  }

  async drainBroker({ broker, cancel }: DrainBrokerRequest): Promise<DrainBrokerResponse> {
    refuse(checkName(broker, 'broker'));
    const partitionsLeft = await this.#leases.drain(broker, cancel);
    if (partitionsLeft === undefined) {
      throw new HermesError('BROKER_NOT_FOUND', `there is no broker ${broker}`, { details: { broker } });
    }
    return { partitionsLeft };
  }
}

/** NUL sorts below every character of a name: order by this text is order by topic, then by number. */
function nameOf({ topic, partition }: PartitionView): string {
  return `${topic}\0${String(partition).padStart(PARTITION_DIGITS, '0')}`;
}
