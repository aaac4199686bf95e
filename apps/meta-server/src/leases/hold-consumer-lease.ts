import {
  HermesError,
  type HoldConsumerLeaseRequest,
  type HoldConsumerLeaseResponse,
  invalidField,
} from '@hermes/contracts';
import { type SessionId } from '@hermes/coordination';
import { type BidiStream } from '@hermes/kit';
import { type Clock, type Timers } from '@hermes/runtime';

import { heldPartition } from './assignment-frame.js';
import { checkMember, consumerJoin } from './consumer-frame.js';
import { type ConsumerLeaseHost } from './consumer-lease-host.js';
import { FrameBudget } from './frame-budget.js';
import { LeasePlaces } from './lease-places.js';
import { Outlet } from './outlet.js';

/** One stream per gateway or SDK process. */
export const CONSUMER_STREAMS_MAX = 10_000;
/** Consumers behind one stream: a gateway has one for all of its subscribers. */
export const STREAM_MEMBERS_MAX = 10_000;
/** A gateway that comes back joins all its consumers at once. */
const FRAMES = { burst: 2 * STREAM_MEMBERS_MAX, perSecond: 1_000 };

/** The HoldConsumerLease call: checks what a holder of consumers says and passes it on. */
export function holdConsumerLease(
  host: ConsumerLeaseHost,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
): (stream: BidiStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>) => Promise<void> {
  const places = new LeasePlaces(CONSUMER_STREAMS_MAX, 'consumers');
  return async (stream) => {
    const outlet = new Outlet(stream, timers);
    places.enter(outlet);
    const session = host.open(outlet);
    const budget = new FrameBudget(clock, FRAMES);
    const members = new Set<number>();
    try {
      await outlet.serve((frame) => {
        places.speak(outlet);
        budget.take();
        take({ host, session, members }, frame);
      });
    } finally {
      host.ended(session);
      places.leave(outlet);
    }
  };
}

interface Holder {
  readonly host: ConsumerLeaseHost;
  readonly session: SessionId;
  readonly members: Set<number>;
}

function take({ host, session, members }: Holder, { kind }: HoldConsumerLeaseRequest): void {
  switch (kind?.$case) {
    case 'join': {
      const join = consumerJoin(kind.value);
      if (members.add(join.member).size > STREAM_MEMBERS_MAX) {
        throw new HermesError('QUOTA_EXCEEDED', `at most ${STREAM_MEMBERS_MAX} consumers on one lease stream`);
      }
      host.apply((leases, nowMs) => leases.join(session, join, nowMs));
      return;
    }
    case 'leave': {
      const { member } = kind.value;
      checkMember('leave.member', member);
      members.delete(member);
      host.apply((leases, nowMs) => leases.leave(session, member, nowMs));
      return;
    }
    case 'heartbeat': {
      const { sequence } = kind.value;
      if (sequence === 0) {
        throw invalidField('heartbeat.sequence', 'grows from 1');
      }
      host.apply((leases, nowMs) => leases.heartbeat(session, sequence, nowMs));
      return;
    }
    case 'released': {
      const { member, assignment } = kind.value;
      checkMember('released.member', member);
      const held = heldPartition('released.assignment', assignment);
      host.apply((leases, nowMs) => leases.released(session, member, held, nowMs));
      return;
    }
    case 'epochTooLow': {
      const { member, assignment, observed } = kind.value;
      checkMember('epoch_too_low.member', member);
      const held = heldPartition('epoch_too_low.assignment', assignment);
      host.apply((leases, nowMs) => leases.epochTooLow(session, { member, held, observed }, nowMs));
      return;
    }
    case undefined:
      throw invalidField('kind', 'one that this server knows');
  }
}
