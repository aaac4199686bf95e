export {
  addressSchema,
  advertisedHost,
  commonSettings,
  laterSetting,
  millisSetting,
  portSetting,
  processConfig,
  setting,
  type SettingFacts,
} from './config/common-settings.js';
export { ConfigError } from './config/config-error.js';
export { describeConfig, type SettingDescription } from './config/describe-config.js';
export { type ConfigSources, loadConfig } from './config/load-config.js';
export { isLoopback } from './config/loopback.js';
export { envName, flagName } from './config/setting-name.js';
export { watchEventLoop } from './event-loop-watch.js';
export { EXIT_CODE, type ExitCode, exitCodeOf, ExitError } from './exit-code.js';
export { notImplementedHandler } from './grpc/edge.js';
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from './grpc/grpc-server.js';
export {
  type BidiHandler,
  type BidiStream,
  type Call,
  type Handler,
  type Handlers,
  type Method,
  type ResponseStream,
  type ServerStreamHandler,
  type Service,
  type UnaryHandler,
} from './grpc/handlers.js';
export { refuseIdempotencyKey, withIdempotencyKey } from './grpc/idempotency-key.js';
export { CallEndedError } from './grpc/public-error.js';
export { type OpsServer, type OpsServerOptions, startOpsServer } from './http/ops-server.js';
export { formatAddress, parseAddress } from './listen.js';
export {
  createLogger,
  LOG_LEVELS,
  type LogDestination,
  type LogFacts,
  type Logger,
  type LogLevel,
  silentLogger,
} from './logger.js';
export {
  type CounterMetric,
  createMetrics,
  type GaugeMetric,
  type HistogramMetric,
  type Labels,
  type MetricOptions,
  type Metrics,
  SECONDS_BUCKETS,
} from './metrics.js';
export { SentBatches } from './subscribe/sent-batches.js';
export { SubscriptionConnection } from './subscribe/subscription-connection.js';
export { type ControlResponse, type SubscriptionStream } from './subscribe/subscription-stream.js';
export { crash, type ProcessHost, runProcess, type RunningService, type RunOptions } from './process.js';
