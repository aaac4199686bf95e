import { type Environment, readSecret, type SecretReference } from '@hermes/log';
import { type KafkaConfig, type LogEntry, logLevel, type SASLOptions } from 'kafkajs';

/** TLS to the brokers; their certificates are always verified. */
export interface KafkaTlsOptions {
  /** Authorities that may have signed the brokers' certificates; the system's if unset. */
  readonly ca?: SecretReference;
  /** Our own certificate and key, if the brokers ask for them. */
  readonly certificate?: SecretReference;
  readonly key?: SecretReference;
}

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

/** One Kafka cluster. */
export interface KafkaServerOptions {
  /** `host:port` of some brokers; the others are learned from them. */
  readonly brokers: readonly string[];
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: SecretReference };
  readonly tls?: KafkaTlsOptions;
}

/** What kafkajs says, a line at a time; must not throw. */
export type KafkaLogListener = (entry: Pick<LogEntry, 'level' | 'namespace' | 'log'>) => void;

/** A lost broker is noticed by this, not by the minutes that TCP takes. */
const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** kafkajs' own retries: few and short, for who calls it has a budget of its own. */
export const KAFKAJS_RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 2 } as const;

/** kafkajs' configuration, with the secrets read anew. Rejects with StoreError if one cannot be read. */
export async function driverConfig(
  { brokers, sasl, tls }: KafkaServerOptions,
  environment: Environment,
  onLog: KafkaLogListener,
): Promise<KafkaConfig> {
  const read = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : readSecret(reference, environment);
  const [password, ca, cert, key] = await Promise.all(
    [sasl?.password, tls?.ca, tls?.certificate, tls?.key].map((reference) => read(reference)),
  );
  return {
    clientId: 'hermes',
    brokers: [...brokers],
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: KAFKAJS_RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => onLog,
    ...(tls === undefined ? {} : { ssl: given({ ca, cert, key }) }),
    ...(sasl === undefined
      ? {}
      : { sasl: { mechanism: sasl.mechanism, username: sasl.username, password: password ?? '' } as SASLOptions }),
  };
}

function given(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const isGiven = (entry: [string, string | undefined]): entry is [string, string] => entry[1] !== undefined;
  return Object.fromEntries(Object.entries(options).filter(isGiven));
}
