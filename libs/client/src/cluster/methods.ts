import { RawMessagingService, RawPartitionService } from '@hermes/contracts';

/** PublishStream with messages as bytes. */
export const PUBLISH_STREAM = RawMessagingService.publishStream;
/** Subscribe with messages as bytes. */
export const SUBSCRIBE = RawMessagingService.subscribe;
/** Acknowledge, written by hand for speed. */
export const ACKNOWLEDGE = RawMessagingService.acknowledge;
/** Pull with messages as bytes. */
export const PULL = RawMessagingService.pull;
/** ReadMessages with messages as bytes. */
export const READ_MESSAGES = RawPartitionService.readMessages;
