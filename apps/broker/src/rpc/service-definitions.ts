import { RawMessagingService, RawPartitionService } from '@hermes/contracts';

const asIs = (bytes: Buffer): Buffer => bytes;

/** MessagingService as a broker serves it: answers of the busy calls are written by hand, straight into their bytes. */
export const BrokerMessagingService = {
  ...RawMessagingService,
  publish: { ...RawMessagingService.publish, responseSerialize: asIs },
  publishStream: { ...RawMessagingService.publishStream, responseSerialize: asIs },
  subscribe: { ...RawMessagingService.subscribe, responseSerialize: asIs },
} as const;

export const BrokerPartitionService = RawPartitionService;

/** Names by which health is asked. */
export const MESSAGING_SERVICE_NAME = 'hermes.messaging.v1.MessagingService';
export const PARTITION_SERVICE_NAME = 'hermes.admin.v1.PartitionService';
