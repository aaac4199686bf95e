import { LIMITS } from '../limits.js';
import { MessagingServiceService } from '../messaging.js';
import { PartitionServiceService } from '../partition.js';
import {
  decodeAcknowledgeRequest,
  decodeAcknowledgeResponse,
  encodeAcknowledgeRequest,
  encodeAcknowledgeResponse,
} from './acknowledge.js';
import { decodePublishRequest, encodePublishRequest } from './publish.js';
import { decodePullResponse, encodePullResponse } from './pull.js';
import { decodeReadMessagesResponse, encodeReadMessagesResponse } from './read-messages.js';
import { decodeSubscribeResponse, encodeSubscribeResponse } from './subscribe.js';

/**
 * MessagingService with messages as bytes, at the same paths: what broker and gateway serve, and what speaks to
 * brokers. Methods that carry no message are the generated ones.
 */
export const RawMessagingService = {
  ...MessagingServiceService,
  publish: {
    ...MessagingServiceService.publish,
    requestSerialize: encodePublishRequest,
    requestDeserialize: decodePublishRequest,
    // One message may pass the limit of requests; several are counted by the handler.
    requestBytesMax: LIMITS.transportBytes,
  },
  publishStream: {
    ...MessagingServiceService.publishStream,
    requestSerialize: encodePublishRequest,
    requestDeserialize: decodePublishRequest,
  },
  subscribe: {
    ...MessagingServiceService.subscribe,
    responseSerialize: encodeSubscribeResponse,
    responseDeserialize: decodeSubscribeResponse,
  },
  pull: {
    ...MessagingServiceService.pull,
    responseSerialize: encodePullResponse,
    responseDeserialize: decodePullResponse,
  },
  acknowledge: {
    ...MessagingServiceService.acknowledge,
    requestSerialize: encodeAcknowledgeRequest,
    requestDeserialize: decodeAcknowledgeRequest,
    responseSerialize: encodeAcknowledgeResponse,
    responseDeserialize: decodeAcknowledgeResponse,
  },
} as const;

/** PartitionService with the messages of ReadMessages as bytes. */
export const RawPartitionService = {
  ...PartitionServiceService,
  readMessages: {
    ...PartitionServiceService.readMessages,
    responseSerialize: encodeReadMessagesResponse,
    responseDeserialize: decodeReadMessagesResponse,
  },
} as const;
