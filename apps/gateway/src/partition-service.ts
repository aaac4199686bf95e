import { type CallLimits, type Cluster, type Environment } from '@hermes/client/cluster';
import { invalidField, type RawPartitionService } from '@hermes/contracts';
import { type Call, type Handlers } from '@hermes/kit';
import { limitsOf } from './call-limits.js';
import { validateGroup, validateTopic } from './validate.js';

/** PartitionService for the whole cluster, merged over the partitions. */
export function partitionService(cluster: Cluster, environment: Environment): Handlers<typeof RawPartitionService> {
  return {
    getMessage: (request, call) => cluster.partitions.getMessage(request, limitsOf(call, environment)),
    readMessages: async (request, stream) => {
      validateTopic(request.topic);
      if (request.limit < 0) {
        throw invalidField('limit', 'not negative');
      }
      for await (const response of cluster.partitions.readMessages(request, streamLimits(stream))) {
        if (!stream.write(response)) {
          await stream.drained();
        }
      }
    },
    describeTopic: (request, call) => {
      validateTopic(request.topic);
      return cluster.partitions.describeTopic(request, limitsOf(call, environment));
    },
    describeGroup: (request, call) => {
      validateGroup(request.topic, request.group);
      return cluster.partitions.describeGroup(request, limitsOf(call, environment));
    },
    seek: (request, call) => {
      validateGroup(request.topic, request.group);
      return cluster.partitions.seek(request, limitsOf(call, environment));
    },
    listDeadLetters: (request, call) => {
      validateGroup(request.topic, request.group);
      return cluster.partitions.listDeadLetters(request, limitsOf(call, environment));
    },
    redriveDeadLetters: (request, call) => {
      validateGroup(request.topic, request.group);
      return cluster.partitions.redriveDeadLetters(request, limitsOf(call, environment));
    },
    discardDeadLetters: (request, call) => {
      validateGroup(request.topic, request.group);
      return cluster.partitions.discardDeadLetters(request, limitsOf(call, environment));
    },
  };

  function streamLimits(stream: Call): CallLimits {
    return { deadlineAtMs: environment.clock.monotonicMs() + stream.deadlineMs, signal: stream.signal };
  }
}
