export { type KafkaEngine, type KafkaEngineOptions, type KafkaNotice, openKafkaEngine } from './kafka-engine.js';
export { type KafkaFigures } from './kafka-figures.js';
export { type TopicSettings } from './kafka-topics.js';
export { type SaslLogin, type SaslMechanism } from './sasl-login.js';
export { type KafkaLogListener, type KafkaServerOptions } from './server-options.js';
