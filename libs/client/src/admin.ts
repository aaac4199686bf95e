import {
  AdminServiceService,
  DataSource,
  type DescribeGroupResponse,
  type DescribeTopicResponse,
  type GetClusterResponse,
  Group,
  HermesError,
  LIMITS,
  type ListDeadLettersResponse_DeadLetter,
  type ListPartitionsResponse_Partition,
  type RebalanceResponse_Move,
  type RawStoredMessage,
  ReadMessagesRequest,
  type RedriveDeadLettersRequest,
  type SeekResponse_Lane,
  type StoredMessage,
  Topic,
  Topic_Kafka,
} from '@hermes/contracts';
import { type Method } from './cluster/channels.js';
import { type CallLimits, type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';
import { positionOf, type SeekTarget } from './seek-target.js';

/** A topic as one creates it: what is left out has the server's default. */
export type TopicSpec = Partial<Omit<Topic, 'kafka'>> & {
  readonly name: string;
  readonly kafka?: Partial<Topic_Kafka> | undefined;
};
/** A group as one creates it: what is left out has the server's default. */
export type GroupSpec = Partial<Group> & { readonly topic: string; readonly name: string };

/** A server that topics may be stored on. */
export type DataSourceSpec = Partial<DataSource> & { readonly name: string };

/** Guards of a deletion. */
export interface DeleteOptions {
  /** Only if it has not changed since. */
  readonly etag?: string;
  /** Despite open subscriptions. */
  readonly force?: boolean;
}

/** Which partitions a seek moves, and whether it does. */
export interface SeekOptions {
  /** All of them if unset. */
  readonly partitions?: readonly number[];
  /** Only tell where it would go. */
  readonly dryRun?: boolean;
}

/** Which dead letters: by ids (at most 1,000), by a filter, or all. */
export type DeadLetterSelection = 'all' | { readonly messageIds: readonly string[] } | { readonly filter: string };

/** Creating waits until the owners serve it: longer than other calls. */
const CREATE_MS = 30_000;

/** Topics, groups, the cluster, and looking into messages. All calls reject with HermesError. */
export class Admin {
  readonly #link: Link;
  readonly #environment: Environment;

  /** @internal Made by `connect`. */
  constructor(link: Link, environment: Environment) {
    this.#link = link;
    this.#environment = environment;
  }

  /** Creates a topic and resolves once every partition is served. The identical one is no error. */
  async createTopic(topic: TopicSpec): Promise<Topic> {
    const request = { topic: topicOf(topic) };
    const response = await this.#call(AdminServiceService.createTopic, request, CREATE_MS);
    return present(response.topic);
  }

  /** TOPIC_NOT_FOUND if there is none. */
  async getTopic(topic: string): Promise<Topic> {
    return present((await this.#call(AdminServiceService.getTopic, { topic })).topic);
  }

  /** All topics by name, read page by page. */
  async *listTopics(): AsyncGenerator<Topic> {
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const page = await this.#call(AdminServiceService.listTopics, { pageSize: LIMITS.pageSize.max, pageToken });
      yield* page.topics;
      pageToken = page.nextPageToken;
    }
  }

  /** Changes the fields that `mask` names, in the contract's spelling (`max_body_bytes`). */
  async updateTopic(topic: TopicSpec, mask: readonly string[]): Promise<Topic> {
    const request = { topic: topicOf(topic), updateMask: [...mask] };
    return present((await this.#call(AdminServiceService.updateTopic, request, CREATE_MS)).topic);
  }

  /** Deletes a topic with its groups and messages; RESOURCE_IN_USE while somebody is subscribed, unless forced. */
  async deleteTopic(topic: string, { etag = '', force = false }: DeleteOptions = {}): Promise<void> {
    await this.#call(AdminServiceService.deleteTopic, { topic, etag, force });
  }

  /** The topic, created if there is none of this name; an existing one stays as it is. */
  async ensureTopic(topic: TopicSpec): Promise<Topic> {
    try {
      return await this.createTopic(topic);
    } catch (error) {
      return unlessExists(error, 'TOPIC_EXISTS', () => this.getTopic(topic.name));
    }
  }

  /** Creates a group; nothing published after this resolves is missed by a group that starts at LATEST. */
  async createGroup(group: GroupSpec): Promise<Group> {
    const request = { group: { ...Group.create(), ...group } };
    const response = await this.#call(AdminServiceService.createGroup, request, CREATE_MS);
    return present(response.group);
  }

  /** GROUP_NOT_FOUND if there is none. */
  async getGroup(topic: string, group: string): Promise<Group> {
    return present((await this.#call(AdminServiceService.getGroup, { topic, group })).group);
  }

  /** All groups of a topic by name, read page by page. */
  async *listGroups(topic: string): AsyncGenerator<Group> {
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const request = { topic, pageSize: LIMITS.pageSize.max, pageToken };
      const page = await this.#call(AdminServiceService.listGroups, request);
      yield* page.groups;
      pageToken = page.nextPageToken;
    }
  }

  /** Changes the fields that `mask` names, in the contract's spelling (`ack_deadline`). */
  async updateGroup(group: GroupSpec, mask: readonly string[]): Promise<Group> {
    const request = { group: { ...Group.create(), ...group }, updateMask: [...mask] };
    return present((await this.#call(AdminServiceService.updateGroup, request, CREATE_MS)).group);
  }

  /** Deletes a group with its progress and dead letters; RESOURCE_IN_USE while somebody is subscribed, unless forced. */
  async deleteGroup(topic: string, group: string, { etag = '', force = false }: DeleteOptions = {}): Promise<void> {
    await this.#call(AdminServiceService.deleteGroup, { topic, group, etag, force });
  }

  /** The group, created if there is none of this name; an existing one stays as it is. */
  async ensureGroup(group: GroupSpec): Promise<Group> {
    try {
      return await this.createGroup(group);
    } catch (error) {
      return unlessExists(error, 'GROUP_EXISTS', () => this.getGroup(group.topic, group.name));
    }
  }

  /** Adds a server that topics may be stored on. The identical one is no error. */
  async createDataSource(source: DataSourceSpec): Promise<DataSource> {
    const request = { dataSource: { ...DataSource.create(), ...source } };
    return present((await this.#call(AdminServiceService.createDataSource, request)).dataSource);
  }

  /** DATA_SOURCE_NOT_FOUND if there is none. */
  async getDataSource(dataSource: string): Promise<DataSource> {
    return present((await this.#call(AdminServiceService.getDataSource, { dataSource })).dataSource);
  }

  /** All data sources by name, read page by page. */
  async *listDataSources(): AsyncGenerator<DataSource> {
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const page = await this.#call(AdminServiceService.listDataSources, { pageSize: LIMITS.pageSize.max, pageToken });
      yield* page.dataSources;
      pageToken = page.nextPageToken;
    }
  }

  /** Removes one that no topic uses. */
  async deleteDataSource(dataSource: string): Promise<void> {
    await this.#call(AdminServiceService.deleteDataSource, { dataSource });
  }

  /** Meta-servers and brokers as the leader knows them; the consumers of all groups, too, if asked for. */
  getCluster(options: { readonly consumers?: boolean } = {}): Promise<GetClusterResponse> {
    return this.#call(AdminServiceService.getCluster, options);
  }

  /** Who owns what; of all topics if none is named. */
  async *listPartitions(topic = ''): AsyncGenerator<ListPartitionsResponse_Partition> {
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const request = { topic, pageSize: LIMITS.pageSize.max, pageToken };
      const page = await this.#call(AdminServiceService.listPartitions, request);
      yield* page.partitions;
      pageToken = page.nextPageToken;
    }
  }

  /** Gives a broker nothing new and moves away what can move; resolves to what it still owns. */
  async drainBroker(broker: string, { cancel = false }: { readonly cancel?: boolean } = {}): Promise<number> {
    return (await this.#call(AdminServiceService.drainBroker, { broker, cancel })).partitionsLeft;
  }

  /**
   * Moves a partition to a broker and resolves to its epoch, once it is served there. It stays until that broker leaves
   * or `rebalance`. PARTITION_MOVING if that takes too long: it goes on. Embedded partitions do not move.
   */
  async movePartition(topic: string, partition: number, broker: string): Promise<number> {
    const request = { topic, partition, broker };
    return (await this.#call(AdminServiceService.movePartition, request, CREATE_MS)).epoch;
  }

  /** Spreads partitions evenly again, those moved by hand included; resolves to the moves, which go on behind it. */
  async rebalance({ dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<RebalanceResponse_Move[]> {
    return (await this.#call(AdminServiceService.rebalance, { dryRun })).moves;
  }

  /** Where each lane begins and ends, its size, and what waits for its time. PARTITION_MOVING if an owner is away. */
  describeTopic(topic: string): Promise<DescribeTopicResponse> {
    return this.#link.partitions.describeTopic({ topic }, this.#limits());
  }

  /** Progress per lane, exact, and who consumes. PARTITION_MOVING if an owner is away. */
  describeGroup(topic: string, group: string): Promise<DescribeGroupResponse> {
    return this.#link.partitions.describeGroup({ topic, group }, this.#limits());
  }

  /** One stored message. MESSAGE_NOT_FOUND if it never was, or is not kept any more. */
  async getMessage(messageId: string): Promise<StoredMessage> {
    return present((await this.#link.partitions.getMessage({ messageId }, this.#limits())).stored);
  }

  /**
   * Moves a group, also while consumers are connected: what is in flight is void, retries at or above the new position
   * are dropped, dead letters kept. Partition by partition: a failure names those that are moved.
   */
  async seek(topic: string, group: string, to: SeekTarget, options: SeekOptions = {}): Promise<SeekResponse_Lane[]> {
    const { partitions = [], dryRun = false } = options;
    const request = { topic, group, to: positionOf(to), partitions: [...partitions], dryRun };
    return (await this.#link.partitions.seek(request, this.#limits(CREATE_MS))).lanes;
  }

  /** The messages that a group has given up, read page by page; with `filter` those that it matches. */
  async *listDeadLetters(
    topic: string,
    group: string,
    filter = '',
  ): AsyncGenerator<ListDeadLettersResponse_DeadLetter> {
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const request = { topic, group, filter, pageSize: LIMITS.pageSize.max, pageToken };
      const page = await this.#link.partitions.listDeadLetters(request, this.#limits());
      yield* page.deadLetters;
      pageToken = page.nextPageToken;
    }
  }

  /** Gives dead letters back to their group, as attempt 1; resolves to how many. */
  async redriveDeadLetters(topic: string, group: string, which: DeadLetterSelection): Promise<number> {
    return this.#moveDeadLetters('redriveDeadLetters', { topic, group, ...selectionOf(which) });
  }

  /** Deletes dead letters; resolves to how many. */
  async discardDeadLetters(topic: string, group: string, which: DeadLetterSelection): Promise<number> {
    return this.#moveDeadLetters('discardDeadLetters', { topic, group, ...selectionOf(which) });
  }

  /** Looks at stored messages without a group; their `message` is an encoded Message. */
  async *readMessages(
    topic: string,
    options: Partial<Omit<ReadMessagesRequest, 'topic'>> & { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<RawStoredMessage> {
    const { signal, ...selection } = options;
    const request = { ...ReadMessagesRequest.create(), ...selection, topic };
    const limits = { deadlineAtMs: Infinity, ...(signal === undefined ? {} : { signal }) };
    for await (const { messages } of this.#link.partitions.readMessages(request, limits)) {
      yield* messages;
    }
  }

  /** Servers move only so many at a call. */
  async #moveDeadLetters(
    call: 'redriveDeadLetters' | 'discardDeadLetters',
    request: RedriveDeadLettersRequest,
  ): Promise<number> {
    let total = 0;
    for (;;) {
      const { count, remaining } = await this.#link.partitions[call](request, this.#limits(CREATE_MS));
      total += count;
      if (remaining === 0 || count === 0) {
        return total;
      }
    }
  }

  #call<Request, Response>(method: Method<Request, Response>, request: Request, withinMs?: number): Promise<Response> {
    return this.#link.admin(method, request, this.#limits(withinMs));
  }

  #limits(withinMs: number = LIMITS.clientDeadlineMs): CallLimits {
    return { deadlineAtMs: this.#environment.clock.monotonicMs() + withinMs };
  }
}

function topicOf({ kafka, ...spec }: TopicSpec): Topic {
  return { ...Topic.create(), ...spec, kafka: kafka && { ...Topic_Kafka.create(), ...kafka } };
}

function selectionOf(which: DeadLetterSelection): { messageIds: string[]; filter: string; all: boolean } {
  const none = { messageIds: [], filter: '', all: false };
  if (which === 'all') {
    return { ...none, all: true };
  }
  return 'filter' in which ? { ...none, filter: which.filter } : { ...none, messageIds: [...which.messageIds] };
}

function present<T>(resource: T | undefined): T {
  if (resource === undefined) {
    throw new HermesError('BUG', 'the server answered without the resource');
  }
  return resource;
}

function unlessExists<T>(
  error: unknown,
  code: 'TOPIC_EXISTS' | 'GROUP_EXISTS',
  existing: () => Promise<T>,
): Promise<T> {
  if (error instanceof HermesError && error.code === code) {
    return existing();
  }
  throw error;
}
