import {
  type BrokerLeaseEffect,
  BrokerLeases,
  type BrokerRegistration,
  COALESCE_MS,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  type LeasedTopic,
  type PersistedAssignment,
} from '../src/index.js';

export const LEASE_MS = LEASE_TTL_DEFAULT_MS + LEASE_MARGIN_MS;
export const shared: LeasedTopic = { name: 't', partitions: 2, revision: 1, brokerGroup: '', inDataDirectory: false };
export const embedded: LeasedTopic = { ...shared, inDataDirectory: true };

export const broker = (
  name: string,
  incarnation: number,
  more: Partial<BrokerRegistration> = {},
): BrokerRegistration => ({
  broker: name,
  incarnation,
  endpoint: `${name}:4376`,
  host: name,
  zone: '',
  brokerGroup: '',
  weight: 1,
  capacity: 0,
  dataDirectory: `dir-${name}`,
  held: [],
  ...more,
});
export const held = (partition: number, epoch: number): HeldPartition => ({ topic: 't', partition, epoch });
export const row = (partition: number, name: string, more: Partial<PersistedAssignment> = {}): PersistedAssignment => ({
  ...held(partition, 5),
  broker: name,
  incarnation: 1,
  created: true,
  dataDirectory: '',
  dataSource: '',
  pinned: false,
  ...more,
});

export const kinds = (effects: readonly BrokerLeaseEffect[]): string[] => effects.map((effect) => effect.kind);
export const grants = (effects: readonly BrokerLeaseEffect[], session: number): string[] =>
  effects.flatMap((effect) =>
    effect.kind === 'grant' && effect.session === session && effect.changed
      ? [effect.assignments.map(({ partition, epoch }) => `${partition}@${epoch}`).join(' ')]
      : [],
  );
export const closes = (effects: readonly BrokerLeaseEffect[]): unknown[] =>
  effects.flatMap((effect) => (effect.kind === 'close' ? [[effect.session, effect.reason]] : []));

export function start(topic = shared, assignments: PersistedAssignment[] = [], nowMs = 0): BrokerLeases {
  return new BrokerLeases({ topics: [topic], assignments, nowMs });
}
/** Registers and lets the coalesced push happen. */
export function come(
  leases: BrokerLeases,
  session: number,
  from: BrokerRegistration,
  nowMs: number,
): BrokerLeaseEffect[] {
  return [...leases.register(session, from, nowMs), ...leases.tick(nowMs + COALESCE_MS)];
}
export const owners = (leases: BrokerLeases): string[] =>
  leases.partitions().map(({ broker: name, epoch }) => `${name}@${epoch}`);
