export { type BrokerDependencies, type RunningBroker, startBroker } from './app.js';
export { type BrokerConfig, brokerConfig } from './config.js';
