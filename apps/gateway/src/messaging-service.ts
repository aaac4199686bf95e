import { isUntried } from '@hermes/client/cluster';
import { HermesError, type PublishResponse, type RawMessagingService, type RawPublishRequest } from '@hermes/contracts';
import { type Call, type Handlers, refuseIdempotencyKey, withIdempotencyKey } from '@hermes/kit';
import { append, type AppendDeps, responseOf } from './append.js';
import { limitsOf } from './call-limits.js';
import { PublishStream } from './publish-stream.js';
import { type Subscribers } from './subscribers.js';
import { validateAcknowledge, validatePull } from './validate.js';

/** MessagingService for the whole cluster: everything goes on to the partitions' owners. `drain` ends its streams. */
export function messagingService(
  deps: AppendDeps,
  subscribers: Subscribers,
  drain: AbortSignal,
): Handlers<typeof RawMessagingService> {
  return {
    publish: (request, call) => publish(deps, request, call),
    publishStream: async (stream) => {
      refuseIdempotencyKey(stream);
      await new PublishStream(deps, stream).run(drain);
    },
    cancelSchedule: async ({ scheduleId }, call) => {
      await deps.cluster.cancelSchedule(scheduleId, limitsOf(call, deps.environment));
      return {};
    },
    subscribe: (request, stream) => subscribers.serve(request, stream),
    pull: (request, call) => {
      validatePull(request);
      return deps.cluster.pull(request, limitsOf(call, deps.environment));
    },
    acknowledge: async (request, call) => {
      validateAcknowledge(request);
      const limits = limitsOf(call, deps.environment);
      await deps.cluster.partitionsOf(request.topic, limits);
      const results = await deps.cluster.acknowledge(request, limits);
      subscribers.settled(request, results);
      return { results };
    },
  };
}

/** The call fails only if nothing was tried: then it says why, as its first message would. */
async function publish(deps: AppendDeps, request: RawPublishRequest, call: Call): Promise<PublishResponse> {
  const keyed = withIdempotencyKey(request, call);
  const { outcomes } = await append(deps, keyed, { limits: limitsOf(call, deps.environment), wait: false });
  const known = await outcomes;
  const [first] = known;
  if (first instanceof HermesError && known.every((outcome) => outcome instanceof HermesError && isUntried(outcome))) {
    throw first;
  }
  return responseOf(known);
}
