export { type MetaServerDependencies, type RunningMetaServer, startMetaServer } from './app.js';
export { type MetaServerConfig, metaServerConfig } from './config.js';
