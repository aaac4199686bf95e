import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import {
  AdminServiceService,
  type Assignment,
  CoordinationServiceService,
  durationFromMs,
  Group,
  GroupMode,
  GroupState,
  HermesError,
  type HoldBrokerLeaseRequest,
  type HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  PositionEdge,
  Topic,
  toServiceError,
} from '@hermes/contracts';

type LeaseCall = ServerDuplexStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>;

interface HeldTopic {
  topic: Topic;
  readonly groups: Map<string, Group>;
  revision: number;
}

/**
 * A meta-server for one broker, under the test's hand: it answers reads and heartbeats by itself; what is granted,
 * revoked or left unanswered is the test's decision. Speaks the real services over real gRPC.
 */
export class FakeMetaServer {
  readonly #server = new Server();
  readonly #topics = new Map<string, HeldTopic>();
  readonly #assignments = new Map<string, Assignment>();
  #stream: LeaseCall | undefined;
  #ids = 0;
  #epoch = 0;
  ttlMs = 2_000;
  /** False: heartbeats stay unanswered. */
  answers = true;
  /** Routes that another broker is said to have: partition key → endpoint. */
  readonly elsewhere = new Map<string, { endpoint: string; epoch: number }>();
  readonly registers: HoldBrokerLeaseRequest_Register[] = [];
  readonly #created = new Set<string>();
  readonly released: Assignment[] = [];
  readonly ready: Assignment[] = [];
  readonly epochTooLow: { assignment?: Assignment | undefined; observed: number }[] = [];
  draining = 0;
  topicReads = 0;
  endpoint = '';

  async start(port = 0): Promise<void> {
    this.#server.addService(CoordinationServiceService, {
      holdBrokerLease: (call: LeaseCall) => {
        this.#hold(call);
      },
      holdConsumerLease: (call: LeaseCall) => {
        call.end();
      },
      watchRoutes: (call: { request: { topics: string[] }; write: (frame: unknown) => void }) => {
        call.write({ version: 1, snapshot: true, topics: call.request.topics.map((name) => this.#routesOf(name)) });
      },
    });
    this.#server.addService(AdminServiceService, this.#admin() as never);
    const bound = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, number) => {
        if (error === null) {
          resolve(number);
        } else {
          reject(error);
        }
      });
    });
    this.endpoint = `127.0.0.1:${bound}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** Makes a topic and grants all its partitions. */
  addTopic(name: string, fields: Partial<Topic> = {}): Topic {
    const topic = Topic.fromPartial({
      name,
      partitions: 1,
      priorityLevels: 1,
      uid: (this.#ids += 1),
      ...fields,
    } as Topic);
    this.#topics.set(name, { topic, groups: new Map(), revision: 1 });
    return topic;
  }

  /** Number of a topic's partitions that are granted. */
  granted(topic: string): number {
    return [...this.#assignments.values()].filter((each) => each.topic === topic).length;
  }

  updateTopic(name: string, change: Partial<Topic>): void {
    const held = this.#held(name);
    held.topic = { ...held.topic, ...change };
    this.#grow(name);
  }

  deleteTopic(name: string): void {
    this.#topics.delete(name);
    for (const key of [...this.#assignments.keys()].filter((each) => each.startsWith(`${name}/`))) {
      this.#assignments.delete(key);
    }
    this.push();
  }

  setGroup(topic: string, name: string, fields: Partial<Group> = {}): void {
    const held = this.#held(topic);
    const before = held.groups.get(name);
    const group = Group.fromPartial({
      topic,
      name,
      mode: GroupMode.KEY_ORDERED,
      start: { kind: { $case: 'edge', value: PositionEdge.EARLIEST } },
      uid: before?.uid ?? (this.#ids += 1),
      state: GroupState.CREATING,
      ...before,
      ...fields,
    } as Group);
    held.groups.set(name, group);
    this.#grow(topic);
  }

  deleteGroup(topic: string, name: string): void {
    this.#held(topic).groups.delete(name);
    this.#grow(topic);
  }

  /** Grants a partition at a new epoch. */
  grant(topic: string, partition: number, fields: Partial<Assignment> = {}): Assignment {
    this.#epoch += 1;
    const { revision } = this.#held(topic);
    const key = `${topic}/${partition}`;
    const created = this.#created.has(key);
    const assignment = {
      topic,
      partition,
      epoch: this.#epoch,
      endpoint: '',
      revision,
      created,
      dataSource: '',
      ...fields,
    };
    this.#assignments.set(key, assignment);
    this.push();
    return assignment;
  }

  revoke(topic: string, partition: number, graceMs = 1_000): void {
    const assignment = this.#assignments.get(`${topic}/${partition}`);
    this.#stream?.write({
      kind: { $case: 'revoke', value: { assignment, grace: durationFromMs(graceMs), member: 0 } },
    });
  }

  /** Takes a partition away without asking. */
  take(topic: string, partition: number): void {
    this.#assignments.delete(`${topic}/${partition}`);
    this.push();
  }

  /** Ends the lease stream as a dying leader would. */
  endStream(error = new HermesError('NOT_LEADER', 'no longer the leader')): void {
    this.#stream?.emit('error', toServiceError(error));
    this.#stream = undefined;
  }

  /** A grant that prolongs nothing. */
  push(): void {
    if (this.#stream !== undefined) {
      this.#grantOn(this.#stream, 0, true);
    }
  }

  isReady(topic: string, partition: number, epoch?: number): boolean {
    const { revision } = this.#held(topic);
    return this.ready.some(
      (each) =>
        each.topic === topic &&
        each.partition === partition &&
        each.revision >= revision &&
        (epoch === undefined || each.epoch === epoch),
    );
  }

  #hold(call: LeaseCall): void {
    call.on('data', ({ kind }: HoldBrokerLeaseRequest) => {
      switch (kind?.$case) {
        case 'register':
          this.#register(call, kind.value);
          break;
        case 'heartbeat':
          if (this.answers) {
            this.#grantOn(call, kind.value.sequence, kind.value.sequence === 1);
          }
          break;
        case 'released':
          this.released.push(kind.value);
          this.#drop(kind.value);
          break;
        case 'draining':
          this.draining += 1;
          break;
        case 'epochTooLow':
          this.epochTooLow.push(kind.value);
          this.#raise(kind.value.assignment, kind.value.observed);
          break;
        case 'ready':
          this.ready.push(...kind.value.assignments);
          kind.value.assignments.forEach(({ topic, partition }) => this.#created.add(`${topic}/${partition}`));
          break;
        case undefined:
      }
    });
    call.on('error', () => undefined);
    call.on('end', () => {
      call.end();
    });
  }

  #register(call: LeaseCall, register: HoldBrokerLeaseRequest_Register): void {
    this.registers.push(register);
    this.#stream = call;
    const held = new Set(register.held.map(({ topic, partition }) => `${topic}/${partition}`));
    for (const assignment of this.#assignments.values()) {
      if (!held.has(`${assignment.topic}/${assignment.partition}`)) {
        this.#epoch += 1;
        assignment.epoch = this.#epoch;
        assignment.created = this.#created.has(`${assignment.topic}/${assignment.partition}`);
      }
    }
  }

  #grantOn(call: LeaseCall, sequence: number, changed: boolean): void {
    const assignments = changed ? [...this.#assignments.values()] : [];
    const value = { ttl: durationFromMs(this.ttlMs), sequence, changed, assignments, member: 0 };
    call.write({ kind: { $case: 'grant', value } });
  }

  #drop({ topic, partition, epoch }: Assignment): void {
    const key = `${topic}/${partition}`;
    if (this.#assignments.get(key)?.epoch === epoch) {
      this.#assignments.delete(key);
    }
  }

  #raise(assignment: Assignment | undefined, observed: number): void {
    if (assignment !== undefined) {
      this.#epoch = Math.max(this.#epoch, observed);
      this.grant(assignment.topic, assignment.partition);
    }
  }

  #grow(topic: string): void {
    const held = this.#held(topic);
    held.revision += 1;
    for (const assignment of this.#assignments.values()) {
      if (assignment.topic === topic) {
        assignment.revision = held.revision;
      }
    }
    this.push();
  }

  #held(topic: string): HeldTopic {
    const held = this.#topics.get(topic);
    if (held === undefined) {
      throw new Error(`the test made no topic ${topic}`);
    }
    return held;
  }

  #routesOf(name: string): unknown {
    const topic = this.#topics.get(name)?.topic;
    const routes = [...this.elsewhere]
      .filter(([key]) => key.startsWith(`${name}/`))
      .map(([key, route]) => ({ partition: Number(key.split('/')[1]), ...route }));
    return { topic: name, partitionCount: topic?.partitions ?? 0, routes };
  }

  #admin(): Record<string, unknown> {
    const answer = <Q, R>(make: (request: Q) => R) => {
      return (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>): void => {
        try {
          done(null, make(call.request));
        } catch (error) {
          done(toServiceError(error as HermesError));
        }
      };
    };
    const find = (name: string): HeldTopic => {
      const held = this.#topics.get(name);
      if (held === undefined) {
        throw new HermesError('TOPIC_NOT_FOUND', `there is no topic ${name}`);
      }
      return held;
    };
    const methods: Record<string, unknown> = Object.fromEntries(
      Object.keys(AdminServiceService).map((name) => [
        name,
        answer(() => {
          throw new HermesError('NOT_IMPLEMENTED', name);
        }),
      ]),
    );
    methods['getTopic'] = answer(({ topic }: { topic: string }) => {
      this.topicReads += 1;
      return { topic: find(topic).topic };
    });
    methods['listGroups'] = answer(({ topic }: { topic: string }) => ({
      groups: [...find(topic).groups.values()],
      nextPageToken: '',
    }));
    return methods;
  }
}
