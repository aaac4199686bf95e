import {
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import {
  AdminServiceService,
  type Assignment,
  CoordinationServiceService,
  durationFromMs,
  type GetGroupRequest,
  type GetGroupResponse,
  type GetTopicRequest,
  type GetTopicResponse,
  Group,
  type HoldConsumerLeaseRequest,
  type HoldConsumerLeaseResponse,
  Topic,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { fail, FakeServer } from './fake-server.js';

/** A meta-server with a table of routes, which grants every partition to everybody. */
export class FakeMeta extends FakeServer {
  readonly topics = new Map<string, { endpoint: string; epoch: number }[]>();
  readonly leases = new Map<string, ServerDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>>();
  readonly released: Assignment[] = [];
  /** Consumer epochs that brokers knew, by the epoch that they refused. */
  readonly epochsTooLow = new Map<number, number>();
  readonly #watchers = new Set<ServerWritableStream<unknown, WatchRoutesResponse>>();
  epoch = 1;
  ttlMs = 10_000;
  heartbeats = 0;
  consumerEpoch = 7;
  /** The groups that exist; all if unset. */
  groups: Set<string> | undefined;

  constructor() {
    super();
    this.server.addService(CoordinationServiceService, {
      watchRoutes: (stream: ServerWritableStream<unknown, WatchRoutesResponse>) => {
        stream.on('error', () => undefined);
        stream.on('close', () => this.#watchers.delete(stream));
        this.#watchers.add(stream);
        stream.write({
          version: 1,
          snapshot: true,
          topics: [...this.topics.keys()].map((topic) => this.#routes(topic)),
        });
      },
      holdConsumerLease: (stream: ServerDuplexStream<HoldConsumerLeaseRequest, HoldConsumerLeaseResponse>) => {
        stream.on('error', () => undefined);
        stream.on('data', ({ kind }: HoldConsumerLeaseRequest) => {
          if (kind?.$case === 'join') {
            const { member, topic, group, consumer } = kind.value;
            if (this.groups?.has(group) === false) {
              stream.emit('error', fail('GROUP_NOT_FOUND'));
              return;
            }
            this.leases.set(consumer, stream);
            this.grant(consumer, member, topic);
          } else if (kind?.$case === 'heartbeat') {
            this.heartbeats += 1;
            stream.write({
              kind: {
                $case: 'grant',
                value: {
                  ttl: durationFromMs(this.ttlMs),
                  sequence: kind.value.sequence,
                  changed: false,
                  assignments: [],
                  member: 0,
                },
              },
            });
          } else {
            this.#note(kind);
          }
        });
        stream.on('end', () => {
          stream.end();
        });
      },
    });
    this.server.addService(AdminServiceService, {
      getTopic: (
        call: ServerUnaryCall<GetTopicRequest, GetTopicResponse>,
        callback: sendUnaryData<GetTopicResponse>,
      ) => {
        const { topic } = call.request;
        if (this.topics.has(topic)) {
          callback(null, { topic: { ...Topic.create(), name: topic } });
        } else {
          callback(fail('TOPIC_NOT_FOUND'));
        }
      },
      getGroup: (
        call: ServerUnaryCall<GetGroupRequest, GetGroupResponse>,
        callback: sendUnaryData<GetGroupResponse>,
      ) => {
        const { topic, group } = call.request;
        if (this.groups?.has(group) === false) {
          callback(fail('GROUP_NOT_FOUND'));
        } else {
          callback(null, { group: { ...Group.create(), topic, name: group } });
        }
      },
    });
  }

  /** Sets the owners of a topic's partitions and tells everybody. */
  route(topic: string, endpoints: readonly string[]): void {
    this.epoch += 1;
    const { epoch } = this;
    this.topics.set(
      topic,
      endpoints.map((endpoint) => ({ endpoint, epoch })),
    );
    this.tellRoutes(topic);
  }

  /** Tells everybody the routes of a topic as they are. */
  tellRoutes(topic: string): void {
    for (const watcher of this.#watchers) {
      watcher.write({ version: this.epoch, snapshot: false, topics: [this.#routes(topic)] });
    }
  }

  grant(consumer: string, member: number, topic: string, partitions?: readonly number[]): void {
    const all = (this.topics.get(topic) ?? []).map((_, partition) => partition);
    const assignments = (partitions ?? all).map((partition) => this.assignment(topic, partition));
    const grant = { ttl: durationFromMs(this.ttlMs), sequence: 0, changed: true, assignments, member };
    this.leases.get(consumer)?.write({ kind: { $case: 'grant', value: grant } });
  }

  assignment(topic: string, partition: number): Assignment {
    return { topic, partition, epoch: this.consumerEpoch, endpoint: '', revision: 1, created: true, dataSource: '' };
  }

  #note(kind: HoldConsumerLeaseRequest['kind']): void {
    if (kind?.$case === 'released' && kind.value.assignment !== undefined) {
      this.released.push(kind.value.assignment);
    } else if (kind?.$case === 'epochTooLow') {
      this.epochsTooLow.set(kind.value.assignment?.epoch ?? 0, kind.value.observed);
    }
  }

  #routes(topic: string): WatchRoutesResponse['topics'][number] {
    const routes = (this.topics.get(topic) ?? []).map((route, partition) => ({ partition, ...route }));
    return { topic, partitionCount: routes.length, routes };
  }
}
