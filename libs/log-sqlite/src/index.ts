export {
  type EmbeddedEngine,
  type EmbeddedEngineOptions,
  openEmbeddedEngine,
  SHARDS_DEFAULT,
} from './embedded-engine.js';
export { type ConnectionSettings } from './shard-protocol.js';
