export { type KafkaEngine, type KafkaEngineOptions, type KafkaNotice, openKafkaEngine } from './kafka-engine.js';
export { type TopicSettings } from './kafka-topics.js';
export {
  type KafkaLogListener,
  type KafkaServerOptions,
  type KafkaTlsOptions,
  type SaslMechanism,
} from './server-options.js';
