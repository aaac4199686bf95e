import { type BrokerRegistration, type BrokerView, type PersistedBroker } from './broker-lease-effect.js';
import { DataSourceReach } from './data-source-reach.js';
import { leftMs, type SessionId } from './lease.js';

/** The lease of one broker process, from its register (or the leader's start) to the lease's end. */
export interface BrokerLease {
  readonly name: string;
  readonly incarnation: number;
  endpoint: string;
  host: string;
  zone: string;
  brokerGroup: string;
  weight: number;
  capacity: number;
  dataDirectory: string;
  /** Its stream; undefined: it has ended, or has not come since the leader's start. */
  session: SessionId | undefined;
  /** Ends then, on the leader's monotonic clock, unless heard again. */
  untilMs: number;
  /** When its endpoint is to be probed; Infinity: not. */
  probeAtMs: number;
  /** The probe whose answer counts; 0: none. */
  probe: number;
  /** Since when it has no stream. */
  silentSinceMs: number;
  /** The question to the database whose answer counts; 0: none. */
  check: number;
  /** By what was heard, it lasts until then: the answer to the question ends it early or makes it longer, not shorter. */
  heardUntilMs: number;
  /** Its process is stopping. */
  draining: boolean;
  /** Its assignments changed since it was told. */
  dirty: boolean;
  readonly reach: DataSourceReach;
  /** Data sources that others reach and it does not: what is stored there goes to them. */
  cutOff: ReadonlySet<string>;
}

/** Processes that are known to be over, remembered per broker: a late register of one of them is refused. */
const ENDED_MAX = 16;

/** A broker by its name, through all its processes. */
export interface Broker {
  readonly name: string;
  lease: BrokerLease | undefined;
  drained: boolean;
  readonly ended: number[];
  /** Since when it has no lease. */
  goneAtMs: number;
  /** Its row, as last seen. */
  row: PersistedBroker;
}

export function createBroker(row: PersistedBroker, nowMs: number): Broker {
  return { name: row.name, lease: undefined, drained: row.drained, ended: [], goneAtMs: nowMs, row };
}

/** The row of a broker that registers. */
export function brokerRow(from: BrokerRegistration, drained: boolean): PersistedBroker {
  const { broker: name, incarnation, endpoint, zone, brokerGroup, dataDirectory } = from;
  return { name, incarnation, endpoint, zone, brokerGroup, dataDirectory, drained };
}

/** A lease for a process that may still run somewhere: known from a row, or just registered. */
export function createLease(row: PersistedBroker, untilMs: number): BrokerLease {
  const { name, incarnation, endpoint, zone, brokerGroup, dataDirectory } = row;
  const identity = { name, incarnation, endpoint, host: '', zone, brokerGroup, weight: 1, capacity: 0, dataDirectory };
  const unasked = { probeAtMs: Number.POSITIVE_INFINITY, probe: 0, silentSinceMs: Number.POSITIVE_INFINITY };
  const unchecked = { check: 0, heardUntilMs: untilMs };
  const quiet = { session: undefined, untilMs, draining: false, dirty: false };
  return { ...identity, ...unasked, ...unchecked, ...quiet, reach: new DataSourceReach(), cutOff: new Set() };
}

/** Notes that a process is over. */
export function noteEnded(broker: Broker, incarnation: number): void {
  broker.ended.push(incarnation);
  if (broker.ended.length > ENDED_MAX) {
    broker.ended.shift();
  }
}

/** Whether the registering process proves that `lease`'s is over: it has that one's address, or its directory's lock. */
export function provesEnd(lease: BrokerLease, from: BrokerRegistration): boolean {
  const sameAddress = lease.name === from.broker && lease.endpoint === from.endpoint;
  return sameAddress || (from.dataDirectory !== '' && lease.dataDirectory === from.dataDirectory);
}

export type BrokerCounts = Pick<BrokerView, 'partitions' | 'movingPartitions'>;

/** One broker as GetCluster shows it. */
export function brokerView(broker: Broker, nowMs: number, countsOf: (lease: BrokerLease) => BrokerCounts): BrokerView {
  const { drained, lease, row } = broker;
  const { name, endpoint, zone, brokerGroup, dataDirectory } = row;
  const held = { name, endpoint, zone, brokerGroup, dataDirectory, state: brokerState(broker), drained };
  return lease === undefined
    ? { ...held, partitions: 0, movingPartitions: 0, lease }
    : {
        ...{ ...held, ...countsOf(lease) },
        lease: { incarnation: lease.incarnation, weight: lease.weight, leftMs: leftMs(lease, nowMs) },
      };
}

export function brokerState({ lease, drained }: Broker): BrokerView['state'] {
  if (lease?.session === undefined) {
    return 'GONE';
  }
  return drained || lease.draining ? 'DRAINING' : 'ACTIVE';
}
