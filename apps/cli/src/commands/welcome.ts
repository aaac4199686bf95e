import {
  AcknowledgeRequest,
  type AcknowledgeResponse,
  CreateGroupRequest,
  CreateTopicRequest,
  type Delivery,
  fromServiceError,
  Outcome,
  PositionEdge,
  PublishRequest,
  type PublishResponse,
  statusToError,
  SubscribeRequest,
  type SubscribeResponse,
} from '@hermes/contracts';
import { EXIT_CODE, ExitError } from '@hermes/kit';
import { type Session } from '../session.js';
import { messageLine } from './message-line.js';

const TOPIC = 'welcome';
const GROUP = 'hermes-up';
const BODIES = ['Hello from Hermes.', 'This one was stored before you saw it.', 'All three are acknowledged.'];

/** One message all the way: published, delivered and acknowledged by the services that everybody uses. */
export async function welcome(session: Session, signal: AbortSignal): Promise<void> {
  const { terminal } = session;
  await ensureTopicAndGroup(session);
  await terminal.print('');
  await terminal.print(`Three messages through topic ${TOPIC}, stored, delivered and acknowledged:`);
  await terminal.print('');
  const waiting = new Set(await publishAll(session));
  const request = SubscribeRequest.fromPartial({ topic: TOPIC, group: GROUP, consumer: GROUP });
  const call = session.messaging.subscribe(request, session.metadata, {
    deadline: Date.now() + session.options.timeout,
  });
  const cancel = (): void => {
    call.cancel();
  };
  signal.addEventListener('abort', cancel, { once: true });
  for await (const response of session.frames<SubscribeResponse>(call)) {
    const deliveries = response.frame?.$case === 'batch' ? response.frame.value.deliveries : [];
    await acknowledge(session, deliveries);
    for (const delivery of deliveries) {
      const id = `${TOPIC}/${delivery.partition}/${delivery.lane}/${delivery.offset}`;
      // The group may have more to catch up with: what was published while nobody ran it.
      if (waiting.delete(id)) {
        await terminal.print(`  ${messageLine(id, delivery.message)}`);
      }
    }
    if (waiting.size === 0) {
      break;
    }
  }
  signal.removeEventListener('abort', cancel);
}

async function ensureTopicAndGroup(session: Session): Promise<void> {
  const topic = CreateTopicRequest.fromPartial({ topic: { name: TOPIC } });
  await unlessExists(
    session.unary((metadata, options, done) => session.admin.createTopic(topic, metadata, options, done)),
  );
  const group = CreateGroupRequest.fromPartial({
    group: { topic: TOPIC, name: GROUP, start: { kind: { $case: 'edge', value: PositionEdge.LATEST } } },
  });
  await unlessExists(
    session.unary((metadata, options, done) => session.admin.createGroup(group, metadata, options, done)),
  );
}

/** Made on an earlier day, perhaps with other settings: fine. */
async function unlessExists(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!['TOPIC_EXISTS', 'GROUP_EXISTS'].includes(fromServiceError(error).code)) {
      throw error;
    }
  }
}

async function publishAll(session: Session): Promise<string[]> {
  const request = PublishRequest.fromPartial({
    topic: TOPIC,
    messages: BODIES.map((body) => ({ body: Buffer.from(body), contentType: 'text/plain' })),
  });
  const { results } = await session.unary<PublishResponse>((metadata, options, done) =>
    session.messaging.publish(request, metadata, options, done),
  );
  return results.map(({ outcome }) => {
    if (outcome?.$case === 'messageId') {
      return outcome.value;
    }
    throw outcome?.$case === 'error'
      ? statusToError(outcome.value)
      : new ExitError(EXIT_CODE.BUG, 'a message was neither stored nor refused');
  });
}

async function acknowledge(session: Session, deliveries: readonly Delivery[]): Promise<void> {
  if (deliveries.length === 0) {
    return;
  }
  const request = AcknowledgeRequest.fromPartial({
    ...{ topic: TOPIC, group: GROUP, consumer: GROUP },
    entries: deliveries.map(({ receipt }) => ({ receipt, outcome: Outcome.ACK })),
  });
  const { results } = await session.unary<AcknowledgeResponse>((metadata, options, done) =>
    session.messaging.acknowledge(request, metadata, options, done),
  );
  const failed = results.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined) {
    throw statusToError(failed);
  }
}
