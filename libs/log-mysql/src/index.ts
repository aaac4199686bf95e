export { DATA_SOURCE_BOUNDS_DEFAULT, type DataSourceBounds } from './data-source.js';
export {
  type MysqlCounters,
  type MysqlEngine,
  type MysqlEngineOptions,
  openMysqlEngine,
  RANGE_ROWS_DEFAULT,
} from './mysql-engine.js';
export { type MysqlNotice, type NoticeListener } from './notice.js';
export { type ServerFacts } from './server-facts.js';
export { type MysqlAccess, type MysqlServerOptions } from './server-options.js';
