import { HermesError } from '@hermes/contracts';
import { type Handlers, refuseIdempotencyKey, withIdempotencyKey } from '@hermes/kit';
import { type Clock } from '@hermes/runtime';
import { type Ownership } from '../partition/ownership.js';
import { type Acknowledger } from '../settle/acknowledger.js';
import { PublishStream } from '../publish/publish-stream.js';
import { type Publisher } from '../publish/publisher.js';
import { type Puller } from '../subscribe/puller.js';
import { type Subscriber } from '../subscribe/subscriber.js';
import { cancelSchedule } from './cancel-schedule.js';
import { type BrokerMessagingService } from './service-definitions.js';

/** What MessagingService calls. */
export interface MessagingParts {
  readonly ownership: Ownership;
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly puller: Puller;
  readonly acknowledger: Acknowledger;
  readonly clock: Clock;
  /** Aborts once the broker stops: it takes nothing new. */
  readonly drain: AbortSignal;
}

/** MessagingService of a broker. Acknowledge goes on while draining: what is in flight may still be settled. */
export function messagingHandlers(parts: MessagingParts): Handlers<typeof BrokerMessagingService> {
  const { ownership, publisher, subscriber, puller, acknowledger, clock, drain } = parts;
  const refuseWhenDraining = (): void => {
    if (drain.aborted) {
      throw new HermesError('DRAINING', 'the broker is stopping');
    }
  };
  return {
    publish: async (request, call) => {
      refuseWhenDraining();
      return publisher.publish(withIdempotencyKey(request, call), clock.monotonicMs() + call.deadlineMs);
    },
    publishStream: async (stream) => {
      refuseWhenDraining();
      refuseIdempotencyKey(stream);
      await new PublishStream(publisher, stream).run(drain);
    },
    subscribe: async (request, stream) => {
      refuseWhenDraining();
      await subscriber.subscribe(request, stream);
    },
    acknowledge: (request) => acknowledger.acknowledge(request),
    cancelSchedule: async ({ scheduleId }) => {
      await cancelSchedule(ownership, scheduleId);
      return {};
    },
    pull: (request, call) => {
      refuseWhenDraining();
      return puller.pull(request, call);
    },
  };
}
