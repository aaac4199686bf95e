/* eslint-disable no-restricted-syntax -- these modules have default exports */
/**
 * What we use of kafkajs beside its public interface, of exactly the version that package.json pins: its connections,
 * which send what their caller asks for. Its consumer cannot read where we want to, since it is a member of a consumer
 * group, and its producer does not say what became of each attempt. See ADR 24.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { ISocketFactory, KafkaConfig, RetryOptions } from 'kafkajs';
  import type { ConnectionPoolBuilder } from 'kafkajs/src/cluster/connectionPoolBuilder.js';

  export interface RawRecord {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
    /** Marks the end of a transaction. */
    readonly isControlRecord?: boolean;
    /** Absent in the formats before Kafka 0.11. */
    readonly batchContext?: {
      readonly firstOffset: string;
      readonly lastOffsetDelta: number;
      readonly producerId: string;
      readonly inTransaction: boolean;
    };
  }

  export interface FetchedPartition {
    readonly partition: number;
    /** 0 = none. */
    readonly errorCode: number;
    readonly highWatermark: string;
    readonly lastStableOffset?: string;
    /** The log's first offset; so named in kafkajs. */
    readonly lastStartOffset?: string;
    readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[];
    readonly messages: readonly RawRecord[];
  }

  export interface FetchTopic {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }

  /** A request as kafkajs' connections send it, and what makes of the answer what the caller gets. */
  export interface BrokerCall {
    readonly request: { readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }> };
    readonly response: object;
  }

  /** The versions of a request. */
  export interface RequestDefinitions {
    protocol(choice: { readonly version: number }): (options: object) => BrokerCall;
  }

  export interface Broker {
    /** What it understands, by a request's key; null before it was connected to. */
    readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;

    /** A producer id of its own; the same for every partition that it writes. */
    initProducerId(request: {
      readonly transactionTimeout: number;
    }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;

    /** Makes a call of the highest version that both sides know. */
    lookupRequest(apiKey: number, definitions: RequestDefinitions): (options: object) => BrokerCall;
    /** Sends a call. */
    readonly connectionPool: { send(call: BrokerCall): Promise<unknown> };
    disconnect(): Promise<void>;

    fetch(request: {
      readonly isolationLevel: number;
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly topics: readonly FetchTopic[];
    }): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;

    /** Deletes what lies below offsets; -1: all that is there. */
    deleteRecords(request: {
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
      }[];
    }): Promise<unknown>;

    listOffsets(request: {
      readonly isolationLevel: number;
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
      }[];
    }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
  }

  export interface PartitionMetadata {
    readonly partitionErrorCode: number;
    readonly partitionId: number;
    /** -1 while there is none. */
    readonly leader: number;
    readonly replicas: readonly number[];
  }

  export interface TopicMetadata {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly PartitionMetadata[];
  }

  export interface LogFunctions {
    readonly namespace: (name: string) => LogFunctions;
  }

  export default class Cluster {
    constructor(
      options: Omit<KafkaConfig, 'logLevel' | 'logCreator'> & {
        readonly logger: LogFunctions;
        readonly socketFactory: ISocketFactory;
        readonly retry: RetryOptions;
        readonly metadataMaxAge: number;
        readonly allowAutoTopicCreation: boolean;
        readonly maxInFlightRequests: number | null;
      },
    );
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    refreshMetadata(): Promise<void>;
    getNodeIds(): readonly string[];
    findBroker(options: { readonly nodeId: number }): Promise<Broker>;
    readonly targetTopics: Set<string>;
    readonly brokerPool: {
      connectionPoolBuilder: ConnectionPoolBuilder;
      /** Of those that were learned, or else of those that were given. */
      findConnectedBroker(): Promise<Broker>;
      /** What was last learned. */
      readonly metadata: { readonly topicMetadata: readonly TopicMetadata[] } | null;
    };
  }
}

declare module 'kafkajs/src/cluster/brokerPool.js' {
  import type { RetryOptions } from 'kafkajs';
  import type Broker from 'kafkajs/src/broker/index.js';
  import type { ConnectionPoolBuilder } from 'kafkajs/src/cluster/connectionPoolBuilder.js';
  import type { LogFunctions } from 'kafkajs/src/cluster/index.js';

  /** All brokers that are known, by their ids, connected or not. */
  export default class BrokerPool {
    constructor(options: {
      readonly connectionPoolBuilder: ConnectionPoolBuilder;
      readonly logger: LogFunctions;
      readonly retry: RetryOptions;
    });
    brokers: Readonly<Record<string, Broker>>;
    disconnect(): Promise<void>;
    /** Connects to this one. */
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
    /** Connects to any. */
    findConnectedBroker(): Promise<Broker>;
  }
}

declare module 'kafkajs/src/cluster/connectionPoolBuilder.js' {
  import type { KafkaConfig } from 'kafkajs';
  import type { LogFunctions } from 'kafkajs/src/cluster/index.js';
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';

  export interface ConnectionPoolBuilder {
    /** Connections to a place, or to one of those that were given; none is opened yet. */
    build(destination?: unknown): Promise<ConnectionPool>;
  }

  export default function createConnectionPoolBuilder(
    options: Omit<KafkaConfig, 'logLevel' | 'logCreator' | 'retry'> & { readonly logger: LogFunctions },
  ): ConnectionPoolBuilder;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  /** Writes what Kafka's protocol is made of; `UVarInt`: compact, as newer versions have it. */
  export default class Encoder {
    writeInt8(value: number): this;
    writeInt32(value: number): this;
    writeUVarIntString(value: string): this;
    /** Nothing given: no tags. */
    writeUVarIntBytes(bytes?: Buffer): this;
    writeUVarIntArray(items: readonly Encoder[]): this;
    readonly buf: Buffer;
    readonly buffer: Buffer;
  }
}

declare module 'kafkajs/src/protocol/error.js' {
  import type { KafkaJSProtocolError } from 'kafkajs';
  export function createErrorFromCode(code: number): KafkaJSProtocolError;
}

declare module 'kafkajs/src/protocol/requests/apiKeys.js' {
  const apiKeys: { readonly Produce: number; readonly Fetch: number; readonly Metadata: number };
  export default apiKeys;
}

declare module 'kafkajs/src/loggers/index.js' {
  import type { logCreator, logLevel } from 'kafkajs';
  import type { LogFunctions } from 'kafkajs/src/cluster/index.js';
  export function createLogger(options: { readonly level: logLevel; readonly logCreator: logCreator }): LogFunctions;
}

declare module 'kafkajs/src/broker/saslAuthenticator/plain.js' {
  import type { AuthenticationProviderArgs, Authenticator } from 'kafkajs';
  /** Proves to the other end of a connection that the password is known; rejects if that does not take it. */
  export default function plain(login: {
    readonly username: string;
    readonly password: string;
  }): (connection: AuthenticationProviderArgs) => Authenticator;
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram256.js' {
  import type { AuthenticationProviderArgs, Authenticator } from 'kafkajs';
  /** Proves to the other end of a connection that the password is known; rejects if that does not take it. */
  export default function scram256(login: {
    readonly username: string;
    readonly password: string;
  }): (connection: AuthenticationProviderArgs) => Authenticator;
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram512.js' {
  import type { AuthenticationProviderArgs, Authenticator } from 'kafkajs';
  /** Proves to the other end of a connection that the password is known; rejects if that does not take it. */
  export default function scram512(login: {
    readonly username: string;
    readonly password: string;
  }): (connection: AuthenticationProviderArgs) => Authenticator;
}

declare module 'kafkajs/src/broker/index.js' {
  import type { LogFunctions } from 'kafkajs/src/cluster/index.js';
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';

  export default class Broker {
    constructor(options: {
      readonly connectionPool: ConnectionPool;
      readonly logger: LogFunctions;
      readonly nodeId: number;
    });
    readonly connectionPool: ConnectionPool;
    /** Opens a connection, logs in, and asks what the broker understands. */
    connect(): Promise<void>;
    isConnected(): boolean;
  }
}

declare module 'kafkajs/src/network/connectionPool.js' {
  import type Connection from 'kafkajs/src/network/connection.js';

  /** A request, and how its answer is read. */
  export interface ProtocolRequest {
    readonly request: { readonly apiKey: number };
    readonly response: {
      decode(bytes: Buffer): Promise<unknown>;
      /** Rejects if there is an error in what was decoded, else gives it back. */
      parse(answer: unknown): Promise<unknown>;
    };
  }

  /** The connections to one broker: one for fetches, one for all else. */
  export default class ConnectionPool {
    readonly host: string;
    readonly port: number;
    readonly pool: readonly Connection[];
    send(call: ProtocolRequest): Promise<unknown>;
  }
}

declare module 'kafkajs/src/network/connection.js' {
  import type { Socket } from 'node:net';

  /** One connection; its socket is another one each time that it connects. */
  export default class Connection {
    isConnected(): boolean;
    connect(): Promise<unknown>;
    /** Takes what the socket has received. */
    processData(bytes: Buffer): void;
    readonly socket?: Socket;
    /** What was received of answers that are not complete. */
    chunks: Buffer[];
    bytesBuffered: number;
    bytesNeeded: number;
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  import type { ISocketFactory } from 'kafkajs';
  export default function socketFactory(): ISocketFactory;
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  import type { RequestDefinitions } from 'kafkajs/src/cluster/index.js';
  export const requests: { readonly Produce: RequestDefinitions };
}
