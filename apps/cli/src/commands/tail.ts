import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Delivery,
  fromServiceError,
  Position,
  ReadMessagesRequest,
  ReadMessagesResponse,
  type StoredMessage,
  SubscribeRequest,
  SubscribeResponse,
} from '@hermes/contracts';
import { type PositionFlag } from '../flags/position.js';
import { remoteFailure } from '../failure.js';
import { show } from '../output.js';
import { type Session } from '../session.js';
import { Interruption } from '../terminal.js';
import { Acknowledger } from './acknowledger.js';
import { messageLine } from './message-line.js';

/** Pause before a lost subscription is opened again. */
const RESUBSCRIBE_MS = 1_000;

/** What to look at, and how long. */
export interface TailFlags {
  readonly group?: string;
  readonly consumer?: string;
  readonly partition?: readonly number[];
  readonly start?: PositionFlag;
  readonly end?: PositionFlag;
  readonly filter?: string;
  readonly limit?: number;
  readonly follow: boolean;
}

/** hermes tail T: without a group it only looks; with one it takes part, and acknowledges what it has shown. */
export async function tail(session: Session, topic: string, flags: TailFlags): Promise<void> {
  if (flags.group === undefined) {
    await look(session, topic, flags);
  } else {
    await takePart(session, { topic, group: flags.group, consumer: flags.consumer ?? consumerName() }, flags);
  }
}

async function look(session: Session, topic: string, flags: TailFlags): Promise<void> {
  const request = ReadMessagesRequest.fromPartial({
    topic,
    partitions: [...(flags.partition ?? [])],
    limit: flags.limit ?? 0,
    filter: flags.filter ?? '',
    // A limit is reached or not; an end closes the range: neither waits for more than that.
    follow: flags.follow && flags.end === undefined,
    ...(flags.start === undefined ? {} : { start: Position.fromJSON(flags.start) }),
    ...(flags.end === undefined ? {} : { end: Position.fromJSON(flags.end) }),
  });
  const call = session.partitions.readMessages(request, session.metadata);
  for await (const response of session.frames<ReadMessagesResponse>(call)) {
    await show(session, response, ReadMessagesResponse, ({ messages }) => messages.map(storedLine));
  }
}

interface Membership {
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
}

/** Subscribes, again after a lost connection or a drain, until interrupted or the limit is reached. */
async function takePart(session: Session, member: Membership, flags: TailFlags): Promise<void> {
  const context = { flags, acknowledger: new Acknowledger(session, member), state: { shown: 0, accepted: false } };
  for (;;) {
    try {
      await subscribe(session, member, context);
      return;
    } catch (error) {
      mustBeTransient(error, context.state.accepted);
      const { message } = remoteFailure(error as Error, session.options.server);
      session.terminal.note(`hermes: ${message ?? ''}; subscribing again …`);
    }
    await pause(session);
  }
}

async function pause(session: Session): Promise<void> {
  const { signal } = session.terminal;
  await sleep(RESUBSCRIBE_MS, undefined, { signal }).catch(() => {
    signal.throwIfAborted();
  });
}

async function subscribe(
  session: Session,
  member: Membership,
  context: {
    readonly flags: TailFlags;
    readonly acknowledger: Acknowledger;
    readonly state: { shown: number; accepted: boolean };
  },
): Promise<void> {
  const { acknowledger, state } = context;
  const { limit = Infinity } = context.flags;
  const call = session.messaging.subscribe(SubscribeRequest.fromPartial(member), session.metadata);
  // What was shown is settled while its stream is still there: afterwards it would count as given back.
  for await (const response of session.frames<SubscribeResponse>(call, () => acknowledger.settled())) {
    state.accepted ||= response.frame?.$case === 'accepted';
    const deliveries = response.frame?.$case === 'batch' ? response.frame.value.deliveries : [];
    const wanted = deliveries.slice(0, limit - state.shown);
    try {
      await show(session, response, SubscribeResponse, () =>
        wanted.map((delivery) => deliveryLine(member.topic, delivery)),
      );
    } catch (error) {
      acknowledger.giveBack(deliveries);
      throw error;
    }
    state.shown += wanted.length;
    acknowledger.acknowledge(wanted);
    acknowledger.giveBack(deliveries.slice(wanted.length));
    if (state.shown >= limit) {
      return;
    }
  }
}

/** Rethrows what another attempt would not change. */
function mustBeTransient(error: unknown, accepted: boolean): void {
  if (error instanceof Interruption || !accepted || !fromServiceError(error).retryable) {
    throw error;
  }
}

function deliveryLine(topic: string, delivery: Delivery): string {
  const { partition, lane, offset, attempt } = delivery;
  return messageLine(`${topic}/${partition}/${lane}/${offset}`, delivery.message, attempt);
}

function storedLine({ messageId, message }: StoredMessage): string {
  return messageLine(messageId, message);
}

function consumerName(): string {
  return `tail-${hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-')}-${process.pid}`.slice(0, 128);
}
