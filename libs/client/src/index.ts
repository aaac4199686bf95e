export {
  Admin,
  type DataSourceSpec,
  type DeadLetterSelection,
  type DeleteOptions,
  type GroupSpec,
  type SeekOptions,
  type TopicSpec,
} from './admin.js';
export {
  bytesCodec,
  type Codec,
  jsonCodec,
  protobufCodec,
  type ProtobufType,
  type ProtobufWriter,
  stringCodec,
} from './codec.js';
export { type BatchOptions, type ConsumeOptions } from './consume-options.js';
export { Consumer } from './consumer.js';
export { DeadLetter } from './dead-letter.js';
export { type Delivery, type SettleFailureListener } from './delivery.js';
export { type BatchHandler, type Handler } from './handler-loop.js';
export { connect, type ConnectOptions, Hermes, type ProducerOptions } from './hermes.js';
export { Producer, type PublishOptions, type PublishReceipt } from './producer.js';
export { RetryLater } from './retry-later.js';
export { type SeekTarget } from './seek-target.js';
export {
  Durability,
  GroupMode,
  HermesError,
  Message,
  parseRetryPolicy,
  PositionEdge,
  REASON,
  type Reason,
  SaslMechanism,
  StateStore,
  StorageClass,
} from '@hermes/contracts';
