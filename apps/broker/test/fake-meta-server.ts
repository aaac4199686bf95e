import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  AdminServiceService,
  type Assignment,
  CoordinationServiceService,
  durationFromMs,
  type Group,
  HermesError,
  type HoldBrokerLeaseRequest,
  type HoldBrokerLeaseRequest_DataSourceReport,
  type HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  StorageClass,
  type Topic,
  toServiceError,
} from '@hermes/contracts';
import { FakeCatalog } from './fake-catalog.js';

type LeaseCall = ServerDuplexStream<HoldBrokerLeaseRequest, HoldBrokerLeaseResponse>;

/** Where partitions of a class are placed. */
const DATA_SOURCES: Partial<Record<StorageClass, string>> = {
  [StorageClass.MYSQL]: 'db',
  [StorageClass.KAFKA]: 'log',
};

/**
 * A meta-server for one broker, under the test's hand: it answers reads and heartbeats by itself; what is granted,
 * revoked or left unanswered is the test's decision. Speaks the real services over real gRPC.
 */
export class FakeMetaServer {
  readonly #server = new Server();
  readonly catalog = new FakeCatalog();
  readonly #assignments = new Map<string, Assignment>();
  #stream: LeaseCall | undefined;
  #epoch = 0;
  /** True: what is released is granted again, at a new epoch. */
  regrants = false;
  ttlMs = 2_000;
  /** False: heartbeats stay unanswered. */
  answers = true;
  /** Routes that another broker is said to have: partition key → endpoint. */
  readonly elsewhere = new Map<string, { endpoint: string; epoch: number }>();
  readonly registers: HoldBrokerLeaseRequest_Register[] = [];
  /** Sequences of all that came. */
  readonly heartbeats: number[] = [];
  /** What the last heartbeat said of each data source. */
  readonly reports = new Map<string, HoldBrokerLeaseRequest_DataSourceReport>();
  readonly #created = new Set<string>();
  readonly released: Assignment[] = [];
  readonly ready: Assignment[] = [];
  readonly epochTooLow: { assignment?: Assignment | undefined; observed: number }[] = [];
  draining = 0;
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
    this.#server.addService(AdminServiceService, this.catalog.handlers() as never);
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

  addTopic(name: string, fields: Partial<Topic> = {}): Topic {
    return this.catalog.add(name, fields);
  }

  /** Number of a topic's partitions that are granted. */
  granted(topic: string): number {
    return [...this.#assignments.values()].filter((each) => each.topic === topic).length;
  }

  updateTopic(name: string, change: Partial<Topic>): void {
    this.catalog.update(name, change);
    this.#tellRevision(name);
  }

  deleteTopic(name: string): void {
    this.catalog.delete(name);
    for (const key of [...this.#assignments.keys()].filter((each) => each.startsWith(`${name}/`))) {
      this.#assignments.delete(key);
    }
    this.push();
  }

  setGroup(topic: string, name: string, fields: Partial<Group> = {}): void {
    this.catalog.setGroup(topic, name, fields);
    this.#tellRevision(topic);
  }

  deleteGroup(topic: string, name: string): void {
    this.catalog.deleteGroup(topic, name);
    this.#tellRevision(topic);
  }

  /** Grants a partition at a new epoch; one on MySQL is placed on the data source `db`, one on Kafka on `log`. */
  grant(topic: string, partition: number, fields: Partial<Assignment> = {}): Assignment {
    const assignment = this.#assign(topic, partition, fields);
    this.push();
    return assignment;
  }

  /** Grants all partitions of a topic at once. */
  grantAll(topic: string): void {
    for (let partition = 0; partition < this.catalog.partitionCount(topic); partition += 1) {
      this.#assign(topic, partition);
    }
    this.push();
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
    const revision = this.catalog.revision(topic);
    return this.ready.some(
      (each) =>
        each.topic === topic &&
        each.partition === partition &&
        each.revision >= revision &&
        (epoch === undefined || each.epoch === epoch),
    );
  }

  #assign(topic: string, partition: number, fields: Partial<Assignment> = {}): Assignment {
    this.#epoch += 1;
    const revision = this.catalog.revision(topic);
    const key = `${topic}/${partition}`;
    const created = this.#created.has(key);
    const assignment = {
      topic,
      partition,
      epoch: this.#epoch,
      endpoint: '',
      revision,
      created,
      dataSource: DATA_SOURCES[this.catalog.topic(topic).storageClass] ?? '',
      ...fields,
    };
    this.#assignments.set(key, assignment);
    return assignment;
  }

  #hold(call: LeaseCall): void {
    call.on('data', ({ kind }: HoldBrokerLeaseRequest) => {
      switch (kind?.$case) {
        case 'register':
          this.#register(call, kind.value);
          break;
        case 'heartbeat':
          kind.value.dataSources.forEach((report) => this.reports.set(report.dataSource, report));
          this.heartbeats.push(kind.value.sequence);
          if (this.answers) {
            this.answerHeartbeat(kind.value.sequence, call);
          }
          break;
        case 'released':
          this.released.push(kind.value);
          this.#drop(kind.value);
          if (this.regrants) {
            this.grant(kind.value.topic, kind.value.partition);
          }
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

  /** What `answers` does at once. */
  answerHeartbeat(sequence: number, call = this.#stream): void {
    if (call !== undefined) {
      this.#grantOn(call, sequence, sequence === 1);
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

  #tellRevision(topic: string): void {
    for (const assignment of this.#assignments.values()) {
      if (assignment.topic === topic) {
        assignment.revision = this.catalog.revision(topic);
      }
    }
    this.push();
  }

  #routesOf(name: string): unknown {
    const routes = [...this.elsewhere]
      .filter(([key]) => key.startsWith(`${name}/`))
      .map(([key, route]) => ({ partition: Number(key.split('/')[1]), ...route }));
    return { topic: name, partitionCount: this.catalog.partitionCount(name), routes };
  }
}
