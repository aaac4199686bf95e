import { type Environment, readTls, type TlsOptions, type TlsSecrets } from '@hermes/log';
import { type KafkaConfig, type LogEntry, logLevel } from 'kafkajs';

import { logIn, type SaslLogin } from './sasl-login.js';

/** One Kafka cluster. */
export interface KafkaServerOptions {
  /** `host:port` of some brokers; the others are learned from them. */
  readonly brokers: readonly string[];
  /** No login if unset. */
  readonly sasl?: SaslLogin;
  readonly tls?: TlsOptions;
}

/** What kafkajs says, a line at a time; must not throw. */
export type KafkaLogListener = (entry: Pick<LogEntry, 'level' | 'namespace' | 'log'>) => void;

/** A lost broker is noticed by this, not by the minutes that TCP takes. */
const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** kafkajs' own retries: few and short, for who calls it has a budget of its own. */
export const KAFKAJS_RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 2 } as const;

/** kafkajs' configuration. */
export interface DriverConfig {
  /** Each connection logs in with the password as it is then. */
  readonly config: KafkaConfig;
  /** Reads what TLS takes anew, for the connections that are opened from then on. Rejects with StoreError. */
  readonly refreshTls: () => Promise<void>;
}

/** Makes kafkajs' configuration. Rejects with StoreError if a secret of TLS cannot be read. */
export async function driverConfig(
  { brokers, sasl, tls }: KafkaServerOptions,
  environment: Environment,
  onLog: KafkaLogListener,
): Promise<DriverConfig> {
  // kafkajs reads it each time that it opens a connection.
  const ssl: { -readonly [name in keyof TlsSecrets]: TlsSecrets[name] } = {};
  const refreshTls = async (): Promise<void> => {
    Object.assign(ssl, await readTls(tls ?? {}, environment));
  };
  await refreshTls();
  const config = {
    clientId: 'hermes',
    brokers: [...brokers],
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: KAFKAJS_RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => onLog,
    ...(tls === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl: logIn(sasl, environment) }),
  };
  return { config, refreshTls };
}
