import {
  type DescribeGroupRequest,
  type DescribeGroupResponse,
  type DescribeTopicRequest,
  type DescribeTopicResponse,
  type RawReadMessagesResponse,
  type ReadMessagesRequest,
} from '@hermes/contracts';
import { type CallLimits } from './environment.js';

/** The calls of PartitionService that this release serves, for a whole topic. */
export interface PartitionCalls {
  /** Needs every owner, else PARTITION_MOVING. */
  describeTopic(request: DescribeTopicRequest, limits: CallLimits): Promise<DescribeTopicResponse>;
  /** Needs every owner, else PARTITION_MOVING. */
  describeGroup(request: DescribeGroupRequest, limits: CallLimits): Promise<DescribeGroupResponse>;
  /** Partition by partition in order; with `follow` all at once, interleaved, until `signal` is aborted. */
  readMessages(request: ReadMessagesRequest, limits: CallLimits): AsyncIterable<RawReadMessagesResponse>;
}
