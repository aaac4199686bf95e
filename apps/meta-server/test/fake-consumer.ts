import { type ClientDuplexStream } from '@grpc/grpc-js';
import {
  type CoordinationServiceClient,
  fromServiceError,
  type HermesError,
  type HoldConsumerLeaseRequest,
  HoldConsumerLeaseRequest_Join,
  type HoldConsumerLeaseResponse,
} from '@hermes/contracts';

/** A stream of consumers of topic `orders`: gives back at once what it is asked for, and remembers what it was told. */
export class FakeConsumer {
  readonly #stream: ClientDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>;
  readonly responses: NonNullable<HoldConsumerLeaseResponse['kind']>[] = [];
  ended: HermesError | undefined;

  constructor(client: CoordinationServiceClient) {
    this.#stream = client.holdConsumerLease();
    this.#stream.on('data', ({ kind }: HoldConsumerLeaseResponse) => {
      this.responses.push(kind!);
      if (kind?.$case === 'revoke') {
        this.send({ $case: 'released', value: kind.value });
      }
    });
    this.#stream.on('error', (error) => {
      this.ended = fromServiceError(error);
    });
  }

  /** The partitions that a member was granted last. */
  held(member: number): number[] {
    const grants = this.responses.flatMap((kind) =>
      kind.$case === 'grant' && kind.value.member === member && kind.value.changed
        ? [kind.value.assignments.map(({ partition }) => partition)]
        : [],
    );
    return grants.at(-1) ?? [];
  }

  /** Joins as a member, and sends one heartbeat. */
  join(member: number, consumer: string, group = 'g'): void {
    const value = HoldConsumerLeaseRequest_Join.fromPartial({ member, topic: 'orders', group, consumer });
    this.send({ $case: 'join', value });
    this.send({ $case: 'heartbeat', value: { sequence: member } });
  }

  /** Says anything; undefined: a message of no kind. */
  send(kind: HoldConsumerLeaseRequest['kind']): void {
    this.#stream.write({ kind });
  }
}
