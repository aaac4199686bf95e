export { eventually, type EventuallyOptions } from './eventually.js';
export { FakeClock } from './fake-clock.js';
export { FakeTimers } from './fake-timers.js';
export { type FaultDirection, type FaultMode, FaultProxy, type Faults } from './fault-proxy.js';
export { freePort } from './free-port.js';
export { isAlive } from './is-alive.js';
export { findFailure, runSeeds, SeedFailure, type SeedsOptions, type SeedsReport } from './simulation/run-seeds.js';
export { SeededRandom, splitRandom } from './simulation/seeded-random.js';
export { Simulation } from './simulation/simulation.js';
export { type NetworkOptions, type SimulationNetwork } from './simulation/simulation-network.js';
export { type NodeOptions, type NodeState, type SimulationNode } from './simulation/simulation-node.js';
export { type StreamEnd } from './simulation/simulation-stream.js';
export { type Authority, type Certificate, createAuthority } from './servers/certificates.js';
export { type ServerSource } from './servers/server-source.js';
export {
  KAFKA_SASL_MECHANISMS,
  type KafkaBroker,
  type KafkaClientOptions,
  type KafkaCluster,
  type KafkaSaslMechanism,
  type KafkaSecurity,
  type KafkaUserName,
  type SharedKafka,
} from './servers/kafka-cluster.js';
export { runWithKafkaJars } from './servers/kafka-program.js';
export { type ArmedFault, type FaultAction, MysqlProxy } from './servers/mysql-proxy.js';
export {
  type OwnSqlServer,
  SQL_SERVER_KINDS,
  type SqlEndpoint,
  type SqlServer,
  type SqlServerKind,
  type TestDatabase,
} from './servers/sql-server.js';
export { type KafkaOptions, sharedKafka, startKafka } from './servers/start-kafka.js';
export { SHARED_SERVER_DEADLINE_MS, sharedMysql, type SqlServerOptions, startMysql } from './servers/start-mysql.js';
export { temporaryDirectory, type TemporaryDirectory } from './temporary-directory.js';
export { checkHistory, type Verdict, type Violation } from './history/check-history.js';
export {
  type History,
  type HistoryEvent,
  type HistoryOperation,
  type LoggedRecord,
  parseHistory,
} from './history/history-event.js';
