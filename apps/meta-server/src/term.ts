import { type CoordinationServiceService, type HermesError } from '@hermes/contracts';
import { BrokerLeases, ConsumerLeases, type TopicRoutes } from '@hermes/coordination';
import { type Handlers, type Logger } from '@hermes/kit';
import { type Leadership, type Metadata, type MetaServerStore } from '@hermes/metadata';
import { type Clock, Serial, systemRandom, TaskGroup, type Timers } from '@hermes/runtime';

import { leaderCalls, type LeaderCalls } from './admin/handlers.js';
import { type MetaServerConfig } from './config.js';
import { BrokerLeaseHost } from './leases/broker-lease-host.js';
import { Cluster, leasedGroup, leasedTopic } from './leases/cluster.js';
import { ConsumerLeaseHost } from './leases/consumer-lease-host.js';
import { DataSourceNames } from './leases/data-source-names.js';
import { holdBrokerLease } from './leases/hold-broker-lease.js';
import { holdConsumerLease } from './leases/hold-consumer-lease.js';
import { leaseWrites } from './leases/lease-writes.js';
import { loadState, type StoredState } from './load-state.js';
import { RouteTable } from './routes/route-table.js';
import { RouteWatch } from './routes/watch-routes.js';
import { STORAGE_CLASSES } from './storage-classes.js';

/** What every term of a process is made with. */
export interface TermOptions {
  readonly config: MetaServerConfig;
  /** Where this process is reached. */
  readonly endpoint: string;
  readonly metaServers: Pick<MetaServerStore, 'list' | 'terms'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told of what the process cannot go on after. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * What a meta-server is while it leads: leases, routes, and the calls that need them. A term begins with what the
 * database has, keeps everything else in memory, and leaves nothing behind when leadership ends.
 */
export class Term {
  readonly admin: LeaderCalls;
  readonly coordination: Handlers<typeof CoordinationServiceService>;
  readonly brokers: BrokerLeaseHost;
  readonly consumers: ConsumerLeaseHost;
  readonly cluster: Cluster;
  readonly table: RouteTable;
  readonly watch: RouteWatch;
  readonly #metadata: Metadata;
  readonly #serial = new Serial();
  readonly #tasks: TaskGroup;

  private constructor(metadata: Metadata, state: StoredState, options: TermOptions) {
    const { config, endpoint, logger, clock, timers } = options;
    const { leadership } = metadata;
    this.#metadata = metadata;
    this.#tasks = new TaskGroup((task, error) => {
      logger.error({ err: error, task }, 'a background task failed');
    });
    const dataSources = new DataSourceNames(state.dataSources.map((record) => record.config));
    this.table = new RouteTable(leadership.epoch);
    this.watch = new RouteWatch(this.table);
    this.consumers = consumerLeases(state, leadership, options);
    this.brokers = this.#brokerLeases(state, dataSources, options);
    const serial = this.#serial;
    const parts = { metadata, brokers: this.brokers, consumers: this.consumers, dataSources };
    this.cluster = new Cluster({ ...parts, serial, timers, tasks: this.#tasks });
    state.groups.forEach(({ group }) => {
      this.cluster.noteGroup(group);
    });
    this.#routesChanged(this.brokers.leases.routes());
    const defaults = { storageClass: STORAGE_CLASSES[config.defaultStorageClass] };
    const leader = { endpoint, epoch: leadership.epoch, metaServers: options.metaServers };
    this.admin = leaderCalls(
      { metadata, cluster: this.cluster, clock, changes: serial, defaults },
      this.cluster,
      leader,
    );
    this.coordination = {
      holdBrokerLease: holdBrokerLease(this.brokers, { clock, timers }),
      holdConsumerLease: holdConsumerLease(this.consumers, { clock, timers }),
      watchRoutes: (request, stream) => this.watch.watch(request, stream),
    };
  }

  /** Reads what is stored and lets the leases' time begin. Throws what the database throws. */
  static async begin(metadata: Metadata, options: TermOptions): Promise<Term> {
    const term = new Term(metadata, await loadState(metadata, options.config), options);
    term.brokers.start();
    return term;
  }

  get leadership(): Leadership {
    return this.#metadata.leadership;
  }

  /**
   * Ends every stream and every wait with `reason` (the first one stands), carries out what was decided, and gives
   * leadership back.
   */
  async end(reason: HermesError): Promise<void> {
    this.watch.end(reason);
    this.cluster.stop(reason);
    this.brokers.stop(reason);
    this.consumers.stop(reason);
    await this.#tasks.settled();
    await this.#serial.run(() => Promise.resolve());
    await this.#metadata.resign();
  }

  #brokerLeases(state: StoredState, dataSources: DataSourceNames, options: TermOptions): BrokerLeaseHost {
    const { config, logger, clock, timers, onFatal } = options;
    const metadata = this.#metadata;
    const { leadership } = metadata;
    const leases = new BrokerLeases({
      assignments: state.assignments,
      topics: state.topics.map((topic) => leasedTopic(topic, dataSources)),
      brokers: state.brokers,
      formerTtlMs: state.formerTtlMs,
      ttlMs: config.brokerLeaseTtlMs,
      nowMs: clock.monotonicMs(),
      renewedInDatabase: metadata.brokerLeases !== undefined,
    });
    return new BrokerLeaseHost({
      ...{ leases, clock, timers, leadership, serial: this.#serial, tasks: this.#tasks },
      onFatal: (error) => {
        // A write that failed because leadership is lost is told with that.
        if (leadership.isValid()) {
          onFatal(error);
        }
      },
      writes: leaseWrites({ metadata, timers, logger }),
      onRoutes: (changed) => {
        this.#routesChanged(changed);
      },
      onReady: (topic) => {
        this.cluster.readyChanged(topic);
      },
    });
  }

  #routesChanged(changed: readonly TopicRoutes[]): void {
    this.table.apply(changed);
    this.consumers.apply((leases, nowMs) => leases.routesChanged(changed, nowMs));
  }
}

function consumerLeases(state: StoredState, leadership: Leadership, options: TermOptions): ConsumerLeaseHost {
  const { config, clock, timers } = options;
  const leases = new ConsumerLeases({
    leadershipEpoch: leadership.epoch,
    start: systemRandom.next(),
    groups: state.groups.map(({ group, topic }) => leasedGroup(group, topic)),
    nowMs: clock.monotonicMs(),
    ttlMs: config.consumerLeaseTtlMs,
  });
  return new ConsumerLeaseHost({ leases, clock, timers, leadership });
}
