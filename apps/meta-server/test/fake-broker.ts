import { type ClientDuplexStream } from '@grpc/grpc-js';
import {
  type Assignment,
  type CoordinationServiceClient,
  fromServiceError,
  type Grant,
  type HermesError,
  type HoldBrokerLeaseRequest,
  type HoldBrokerLeaseRequest_DataSourceReport,
  HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  type Revoke,
} from '@hermes/contracts';

/** Who the broker says that it is, and how it behaves. */
export interface FakeBrokerOptions {
  readonly name: string;
  readonly incarnation: number;
  readonly endpoint: string;
  readonly dataDirectory: string;
  readonly ttlMs: number;
  readonly held?: readonly Assignment[];
  /** Says `ready` for whatever it is granted; true if unset. */
  readonly ready?: boolean;
  /** Sends heartbeats; true if unset. */
  readonly heartbeats?: boolean;
  /** Says that it can keep state in the metadata database; true if unset. */
  readonly reachesMetadata?: boolean;
}

type Kind = NonNullable<HoldBrokerLeaseRequest['kind']>;

/** A broker that stores nothing: it speaks the lease protocol by hand and remembers what it was told. */
export class FakeBroker {
  readonly #stream: ClientDuplexStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>;
  readonly #options: FakeBrokerOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  #sequence = 0;
  readonly grants: Grant[] = [];
  readonly revokes: Revoke[] = [];
  assignments: readonly Assignment[] = [];
  /** What it says, with each heartbeat, of the data sources that it uses. */
  dataSources: HoldBrokerLeaseRequest_DataSourceReport[] = [];
  /** What the stream ended with; `OK` for a normal end. */
  ended: HermesError | 'OK' | undefined;

  constructor(client: CoordinationServiceClient, options: FakeBrokerOptions) {
    this.#options = options;
    this.#stream = client.holdBrokerLease();
    this.#stream.on('data', (response: HoldBrokerLeaseResponse) => {
      this.#told(response);
    });
    this.#stream.on('error', (error) => {
      this.ended = fromServiceError(error);
      clearInterval(this.#timer);
    });
    this.#stream.on('end', () => {
      this.ended ??= 'OK';
    });
    const { name, incarnation, endpoint, dataDirectory, reachesMetadata = true, held = [] } = options;
    const value = HoldBrokerLeaseRequest_Register.fromPartial({
      ...{ broker: name, incarnation, endpoint, host: 'h', dataDirectory, reachesMetadata },
      held: [...held],
    });
    this.send({ $case: 'register', value });
    if (options.heartbeats !== false) {
      this.heartbeat();
      this.#timer = setInterval(() => {
        this.heartbeat();
      }, options.ttlMs / 3);
    }
  }

  send(kind: Kind | undefined): void {
    this.#stream.write({ ...(kind === undefined ? {} : { kind }) });
  }

  heartbeat(): number {
    this.#sequence += 1;
    const { dataSources } = this;
    this.send({ $case: 'heartbeat', value: { sequence: this.#sequence, dataSources } });
    return this.#sequence;
  }

  /** Says that it serves what it holds. */
  ready(assignments: readonly Assignment[] = this.assignments): void {
    this.send({ $case: 'ready', value: { assignments: [...assignments] } });
  }

  /** Ends the stream as a dying process does. */
  crash(): void {
    clearInterval(this.#timer);
    this.#stream.on('error', () => undefined);
    this.#stream.cancel();
  }

  /** Stops heartbeats and keeps the stream: a process that hangs. */
  stall(): void {
    clearInterval(this.#timer);
  }

  #told({ kind }: HoldBrokerLeaseResponse): void {
    if (kind?.$case === 'revoke') {
      this.revokes.push(kind.value);
      return;
    }
    if (kind === undefined) {
      return;
    }
    this.grants.push(kind.value);
    if (kind.value.changed) {
      this.assignments = kind.value.assignments;
      if (this.#options.ready !== false && this.assignments.length > 0) {
        this.ready();
      }
    }
  }
}
