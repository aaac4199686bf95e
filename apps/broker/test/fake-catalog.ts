import { type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import {
  AdminServiceService,
  type DataSource,
  Group,
  GroupMode,
  GroupState,
  HermesError,
  PositionEdge,
  Topic,
  toServiceError,
} from '@hermes/contracts';

interface KnownTopic {
  topic: Topic;
  readonly groups: Map<string, Group>;
  /** Of the topic and its groups; grows with each change of theirs. */
  revision: number;
}

/** The topics and groups that a FakeMetaServer knows, and the AdminService that reads them. */
export class FakeCatalog {
  readonly #topics = new Map<string, KnownTopic>();
  #ids = 0;
  readonly dataSources = new Map<string, DataSource>();
  /** Topics whose reads fail, as while the database does not answer. */
  readonly unreadable = new Set<string>();

  add(name: string, fields: Partial<Topic>): Topic {
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

  update(name: string, change: Partial<Topic>): void {
    const known = this.#known(name);
    known.topic = { ...known.topic, ...change };
    known.revision += 1;
  }

  /** The topic as it is now. */
  topic(name: string): Topic {
    return this.#known(name).topic;
  }

  delete(name: string): void {
    this.#topics.delete(name);
  }

  setGroup(topic: string, name: string, fields: Partial<Group>): void {
    const known = this.#known(topic);
    const before = known.groups.get(name);
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
    known.groups.set(name, group);
    known.revision += 1;
  }

  deleteGroup(topic: string, name: string): void {
    const known = this.#known(topic);
    known.groups.delete(name);
    known.revision += 1;
  }

  revision(topic: string): number {
    return this.#known(topic).revision;
  }

  /** 0: there is no such topic. */
  partitionCount(topic: string): number {
    return this.#topics.get(topic)?.topic.partitions ?? 0;
  }

  /** AdminService: reads are answered, everything else is NOT_IMPLEMENTED. */
  handlers(): Record<string, unknown> {
    const others = Object.keys(AdminServiceService).map((name) => [
      name,
      answer(() => {
        throw new HermesError('NOT_IMPLEMENTED', name);
      }),
    ]);
    return {
      ...(Object.fromEntries(others) as Record<string, unknown>),
      getTopic: answer(({ topic }: { topic: string }) => {
        return { topic: this.#find(topic).topic };
      }),
      getDataSource: answer(({ dataSource }: { dataSource: string }) => ({
        dataSource: this.dataSources.get(dataSource),
      })),
      listGroups: answer(({ topic }: { topic: string }) => ({
        groups: [...this.#find(topic).groups.values()],
        nextPageToken: '',
      })),
    };
  }

  #known(name: string): KnownTopic {
    const known = this.#topics.get(name);
    if (known === undefined) {
      throw new Error(`the test made no topic ${name}`);
    }
    return known;
  }

  #find(name: string): KnownTopic {
    const known = this.#topics.get(name);
    if (this.unreadable.has(name)) {
      throw new HermesError('STORAGE_UNAVAILABLE', 'the database does not answer');
    }
    if (known === undefined) {
      throw new HermesError('TOPIC_NOT_FOUND', `there is no topic ${name}`);
    }
    return known;
  }
}

/** A unary handler of what `make` gives or throws. */
function answer<Q, R>(make: (request: Q) => R): (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>) => void {
  return (call, done) => {
    try {
      done(null, make(call.request));
    } catch (error) {
      done(toServiceError(error as HermesError));
    }
  };
}
