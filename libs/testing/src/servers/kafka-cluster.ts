/** How clients prove who they are. */
export const KAFKA_SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type KafkaSaslMechanism = (typeof KAFKA_SASL_MECHANISMS)[number];

/** What clients of a cluster have to do. With `sasl`, access lists hold as well. */
export interface KafkaSecurity {
  /** Log in by this mechanism; else all who come may do everything. */
  readonly sasl?: KafkaSaslMechanism;
  /** Speak TLS; the certificate is for the addresses in `bootstrap`. */
  readonly tls?: boolean;
}

/** Who may log in: `admin` may do everything, `stranger` nothing, until an access list lets it. */
export type KafkaUserName = 'admin' | 'stranger';

/** A user's login; one type for each mechanism, as kafkajs has it. */
export type KafkaLogin = {
  readonly [Mechanism in KafkaSaslMechanism]: {
    readonly mechanism: Mechanism;
    readonly username: string;
    readonly password: string;
  };
}[KafkaSaslMechanism];

/** What a client needs to connect; it fits the configuration of kafkajs. */
export interface KafkaClientOptions {
  /** `host:port` of each broker. */
  readonly brokers: string[];
  /** The authority (PEM) that signed the brokers' certificates. */
  readonly ssl?: { readonly ca: string[] };
  readonly sasl?: KafkaLogin;
}

/** One broker of a cluster. Its address and its data stay the same until the cluster is closed. */
export interface KafkaBroker {
  /** As `describeCluster` gives it, from 1. */
  readonly nodeId: number;
  /** `host:port`, as clients see it. */
  readonly address: string;
  /** Ends it in order: it hands over what it leads. Harmless when it is down. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL; resolves when the process is gone. Harmless when it is down. */
  kill(): Promise<void>;
  /**
   * Starts it again; resolves when it takes requests. That needs a majority of the cluster: after more brokers than one
   * went down, start them together.
   */
  start(): Promise<void>;
  /** Stalls it, as SIGSTOP does: connections stay open and nothing is answered. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** A running cluster that test files share: each makes topics and groups with names of its own, and leaves it running. */
export interface SharedKafka {
  /** `host:port` of each broker. */
  readonly bootstrap: readonly string[];
}

/** A cluster of one test, which may do to it what it likes. */
export interface KafkaCluster extends SharedKafka, AsyncDisposable {
  /** In the order of their node ids, as `bootstrap` is. */
  readonly brokers: readonly KafkaBroker[];
  /**
   * What a client needs that logs in as this user; `admin` if unset. The name does nothing where nobody logs in.
   * kafkajs keeps its login in the object: ask again for each client.
   */
  clientOptions(user?: KafkaUserName): KafkaClientOptions;
  /** Ends all brokers and deletes their data. Harmless when repeated. */
  close(): Promise<void>;
}
