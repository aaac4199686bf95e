import {
  type DiscardDeadLettersRequest,
  type DiscardDeadLettersResponse,
  type DescribeGroupRequest,
  type DescribeGroupResponse,
  type DescribeTopicRequest,
  type DescribeTopicResponse,
  type GetMessageRequest,
  type GetMessageResponse,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  type RawReadMessagesResponse,
  type ReadMessagesRequest,
  type RedriveDeadLettersRequest,
  type RedriveDeadLettersResponse,
  type SeekRequest,
  type SeekResponse,
} from '@hermes/contracts';
import { type CallLimits } from './environment.js';

/** The calls of PartitionService, for a whole topic. */
export interface PartitionCalls {
  getMessage(request: GetMessageRequest, limits: CallLimits): Promise<GetMessageResponse>;
  /** Partition by partition; a failure names those that are done. */
  seek(request: SeekRequest, limits: CallLimits): Promise<SeekResponse>;
  /** Partition by partition in order, page by page. */
  listDeadLetters(request: ListDeadLettersRequest, limits: CallLimits): Promise<ListDeadLettersResponse>;
  /** Partition by partition; a failure names those that are done. */
  redriveDeadLetters(request: RedriveDeadLettersRequest, limits: CallLimits): Promise<RedriveDeadLettersResponse>;
  /** Partition by partition; a failure names those that are done. */
  discardDeadLetters(request: DiscardDeadLettersRequest, limits: CallLimits): Promise<DiscardDeadLettersResponse>;
  /** Needs every owner, else PARTITION_MOVING. */
  describeTopic(request: DescribeTopicRequest, limits: CallLimits): Promise<DescribeTopicResponse>;
  /** Needs every owner, else PARTITION_MOVING. */
  describeGroup(request: DescribeGroupRequest, limits: CallLimits): Promise<DescribeGroupResponse>;
  /** Partition by partition in order; with `follow` all at once, interleaved, until `signal` is aborted. */
  readMessages(request: ReadMessagesRequest, limits: CallLimits): AsyncIterable<RawReadMessagesResponse>;
}
