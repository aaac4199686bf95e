export {
  AckEntry,
  AckResult,
  AcknowledgeRequest,
  AcknowledgeResponse,
  CancelScheduleRequest,
  CancelScheduleResponse,
  Claim,
  Delivery,
  DeliveryBatch,
  Draining,
  Durability,
  GroupMode,
  Heartbeat,
  Message,
  MessagingServiceClient,
  type MessagingServiceServer,
  MessagingServiceService,
  Outcome,
  PublishRequest,
  PublishResponse,
  PublishResult,
  PublishStreamRequest,
  PublishStreamResponse,
  PullRequest,
  PullResponse,
  Resume,
  SubscribeAccepted,
  SubscribeRequest,
  SubscribeResponse,
} from './messaging.js';
export {
  AdminServiceClient,
  type AdminServiceServer,
  AdminServiceService,
  AssignmentReason,
  BrokerState,
  CreateDataSourceRequest,
  CreateDataSourceResponse,
  CreateGroupRequest,
  CreateGroupResponse,
  CreateTopicRequest,
  CreateTopicResponse,
  DataSource,
  DataSource_Health,
  DataSource_Kafka,
  DataSource_Tls,
  DeleteDataSourceRequest,
  DeleteDataSourceResponse,
  DeleteGroupRequest,
  DeleteGroupResponse,
  DeleteTopicRequest,
  DeleteTopicResponse,
  DrainBrokerRequest,
  DrainBrokerResponse,
  GetClusterRequest,
  GetClusterResponse,
  GetClusterResponse_Broker,
  GetClusterResponse_Consumer,
  GetDataSourceRequest,
  GetDataSourceResponse,
  GetGroupRequest,
  GetGroupResponse,
  GetTopicRequest,
  GetTopicResponse,
  Group,
  GroupState,
  ListDataSourcesRequest,
  ListDataSourcesResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  ListPartitionsRequest,
  ListPartitionsResponse,
  ListPartitionsResponse_Partition,
  ListTopicsRequest,
  ListTopicsResponse,
  MovePartitionRequest,
  MovePartitionResponse,
  NoRetry,
  PartitionState,
  Position,
  PositionEdge,
  Position_Offset,
  RebalanceRequest,
  RebalanceResponse,
  RebalanceResponse_Move,
  RetryPolicy,
  RetryPolicy_Exponential,
  RetryPolicy_Fixed,
  RetryPolicy_List,
  SaslMechanism,
  StateStore,
  StorageClass,
  Topic,
  Topic_Kafka,
  UpdateGroupRequest,
  UpdateGroupResponse,
  UpdateTopicRequest,
  UpdateTopicResponse,
} from './admin.js';
export {
  DeadLetterCause,
  DescribeGroupRequest,
  DescribeGroupResponse,
  DescribeGroupResponse_Consumer,
  DescribeGroupResponse_Lane,
  DescribeTopicRequest,
  DescribeTopicResponse,
  DescribeTopicResponse_Lane,
  DiscardDeadLettersRequest,
  DiscardDeadLettersResponse,
  GetMessageRequest,
  GetMessageResponse,
  ListDeadLettersRequest,
  ListDeadLettersResponse,
  ListDeadLettersResponse_DeadLetter,
  PartitionServiceClient,
  type PartitionServiceServer,
  PartitionServiceService,
  ReadMessagesRequest,
  ReadMessagesResponse,
  RedriveDeadLettersRequest,
  RedriveDeadLettersResponse,
  SeekRequest,
  SeekResponse,
  SeekResponse_Lane,
  StoredMessage,
} from './partition.js';
export {
  Assignment,
  CoordinationServiceClient,
  type CoordinationServiceServer,
  CoordinationServiceService,
  Grant,
  HoldBrokerLeaseRequest,
  HoldBrokerLeaseRequest_DataSourceReport,
  HoldBrokerLeaseRequest_Draining,
  HoldBrokerLeaseRequest_EpochTooLow,
  HoldBrokerLeaseRequest_Heartbeat,
  HoldBrokerLeaseRequest_Ready,
  HoldBrokerLeaseRequest_Register,
  HoldBrokerLeaseResponse,
  HoldConsumerLeaseRequest,
  HoldConsumerLeaseRequest_Heartbeat,
  HoldConsumerLeaseRequest_Join,
  HoldConsumerLeaseRequest_Leave,
  HoldConsumerLeaseRequest_Released,
  HoldConsumerLeaseResponse,
  Revoke,
  WatchRoutesRequest,
  WatchRoutesResponse,
  WatchRoutesResponse_Topic,
  WatchRoutesResponse_Topic_Route,
} from './coordination.js';
export {
  Status,
  BadRequest,
  BadRequest_FieldViolation,
  ErrorInfo,
  RetryInfo,
  Any,
  Duration,
  Timestamp,
  FieldMask,
} from './google.js';
export { type Reason, REASON, REASON_RULES, type ReasonRule, type RetryRule, isReason, ruleOf } from './reason.js';
export {
  atIndex,
  type FieldViolation,
  HermesError,
  type HermesErrorOptions,
  invalidField,
  notImplemented,
} from './hermes-error.js';
export { DEFAULT_RETRY_AFTER_MS, ERROR_DOMAIN, statusToError, toStatus } from './status.js';
export { fromServiceError, toServiceError } from './service-error.js';
export { type Bounds, LIMITS } from './limits.js';
export { formatScheduleId, parseScheduleId, type ScheduleId } from './schedule-id.js';
export { parseRetryPolicy } from './retry-notation.js';
export { checkGroupName, checkName, checkTopicName, isResourceName } from './names.js';
export { checkEnum, isKnownEnum } from './enum-value.js';
export { formatMessageId, type MessageId, parseMessageId } from './message-id.js';
export { murmur2, partitionForHash, partitionForKey } from './murmur2.js';
export {
  RECEIPT_BYTES,
  RECEIPT_TAG_BYTES,
  type Receipt,
  decodeReceipt,
  encodeReceipt,
  partitionOfReceipt,
} from './receipt.js';
export { type DurationBounds, durationFromMs, durationToMs, readDuration } from './duration.js';
export { timestampFromMs, timestampToMs } from './timestamp.js';
export { descriptorSetPath } from './descriptor-set.js';
export { WireError } from './raw/wire-error.js';
export {
  type PublishIdentity,
  type RawPublishRequest,
  decodePublishRequest,
  encodePublishRequest,
  identityOf,
} from './raw/publish.js';
export { type RawDelivery, type RawDeliveryBatch, deliveryFieldBytes } from './raw/delivery.js';
export { type RawPullResponse, decodePullResponse, encodePullResponse } from './raw/pull.js';
export { type PullTerms, pullTermsOf } from './pull-terms.js';
export {
  type RawSubscribeFrame,
  type RawSubscribeResponse,
  decodeSubscribeResponse,
  encodeSubscribeResponse,
} from './raw/subscribe.js';
export {
  type RawAckEntry,
  type RawAcknowledgeRequest,
  decodeAcknowledgeRequest,
  decodeAcknowledgeResponse,
  encodeAcknowledgeRequest,
  encodeAcknowledgeResponse,
} from './raw/acknowledge.js';
export {
  type RawReadMessagesResponse,
  type RawStoredMessage,
  decodeReadMessagesResponse,
  encodeReadMessagesResponse,
  storedMessageFieldBytes,
} from './raw/read-messages.js';
export { type MessageLimits, type ScanResult, scanMessage } from './raw/scan-message.js';
export { checkPublishRequest } from './raw/check-publish.js';
export { withIdempotencyKeyField } from './raw/idempotency-key.js';
export { ScannedMessage } from './raw/scanned-message.js';
export { type MessageProblem, messageError } from './raw/message-problem.js';
export { RawMessagingService, RawPartitionService } from './raw/service.js';
export { type ClientConstructor, type ClientOf, RawMessagingClient, RawPartitionClient } from './raw/client.js';
