import {
  type HoldBrokerLeaseRequest,
  type HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  invalidField,
} from '@hermes/contracts';
import { type SessionId } from '@hermes/coordination';
import { type BidiStream } from '@hermes/kit';
import { type Clock, type Timers } from '@hermes/runtime';

import { PARTITIONS_TOTAL_MAX } from '../admin/topics.js';
import { heldPartition, heldPartitions } from './assignment-frame.js';
import { brokerRegistration } from './broker-frame.js';
import { type BrokerLeaseHost } from './broker-lease-host.js';
import { unreachableOf } from './data-source-health.js';
import { FrameBudget } from './frame-budget.js';
import { LeasePlaces } from './lease-places.js';
import { Outlet } from './outlet.js';

/** Brokers are few; each costs a stream, a lease and its partitions' pushes. */
export const BROKER_STREAMS_MAX = 1_000;
/** A broker may give back thousands of partitions at once; in the long run it says little more than heartbeats. */
const FRAMES = { burst: 10_000, perSecond: 200 };

/** A version is a few numbers and a commit. */
const BUILD_CHARS_MAX = 64;

/** The HoldBrokerLease call: checks what a broker says and passes it on. */
export function holdBrokerLease(
  host: BrokerLeaseHost,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
): (stream: BidiStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>) => Promise<void> {
  const places = new LeasePlaces(BROKER_STREAMS_MAX, 'brokers');
  return async (stream) => {
    const outlet = new Outlet(stream, timers);
    places.enter(outlet);
    const session = host.open(outlet);
    const budget = new FrameBudget(clock, FRAMES);
    let broker: string | undefined;
    try {
      await outlet.serve((frame) => {
        places.speak(outlet);
        budget.take();
        if ((frame.kind?.$case === 'register') === (broker !== undefined)) {
          throw invalidField('kind', 'register comes first, and once');
        }
        if (frame.kind?.$case === 'register') {
          broker = register({ host, session, build: buildOf(stream) }, frame.kind.value);
        } else {
          take(host, session, frame);
        }
      });
    } finally {
      host.ended(session);
      places.leave(outlet);
      if (broker !== undefined) {
        host.dataSources.forget(broker, session);
      }
    }
  };
}

function buildOf({ metadata }: BidiStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>): string {
  return String(metadata.get('hermes-client-version')[0] ?? '').slice(0, BUILD_CHARS_MAX);
}

function register(
  { host, session, build }: { readonly host: BrokerLeaseHost; readonly session: SessionId; readonly build: string },
  given: HoldBrokerLeaseRequest_Register,
): string {
  const registration = brokerRegistration(given);
  host.apply((leases, nowMs) => leases.register(session, registration, nowMs));
  // One that was refused is not the broker whose name it gave.
  if (host.leases.holderOf(session) !== undefined) {
    host.noteProcess(registration.broker, { build, reachesMetadata: given.reachesMetadata });
  }
  return registration.broker;
}

function take(host: BrokerLeaseHost, session: SessionId, { kind }: HoldBrokerLeaseRequest): void {
  switch (kind?.$case) {
    case 'heartbeat': {
      const { sequence, dataSources } = kind.value;
      if (sequence === 0) {
        throw invalidField('heartbeat.sequence', 'grows from 1');
      }
      const unreachable = unreachableOf(dataSources);
      host.apply((leases, nowMs) => leases.heartbeat(session, sequence, nowMs, unreachable));
      const broker = host.leases.holderOf(session);
      if (broker !== undefined) {
        host.dataSources.note(broker, session, dataSources);
      }
      return;
    }
    case 'released': {
      const released = heldPartition('released', kind.value);
      host.apply((leases, nowMs) => leases.released(session, released, nowMs));
      return;
    }
    case 'draining':
      host.apply((leases, nowMs) => leases.draining(session, nowMs));
      return;
    case 'epochTooLow': {
      const held = heldPartition('epoch_too_low.assignment', kind.value.assignment);
      const { observed } = kind.value;
      host.apply((leases, nowMs) => leases.epochTooLow(session, held, observed, nowMs));
      return;
    }
    case 'ready': {
      const { assignments } = kind.value;
      const held = heldPartitions('ready.assignments', assignments, PARTITIONS_TOTAL_MAX);
      const served = held.map((one, index) => ({ ...one, revision: assignments[index]?.revision ?? 0 }));
      host.apply((leases, nowMs) => leases.ready(session, served, nowMs));
      return;
    }
    case 'register':
    case undefined:
      throw invalidField('kind', 'one that this server knows');
  }
}
