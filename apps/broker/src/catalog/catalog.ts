import {
  type DataSource,
  type Group,
  HermesError,
  type Topic,
  type WatchRoutesResponse,
  type WatchRoutesResponse_Topic_Route,
} from '@hermes/contracts';
import { type ClientReadableStream } from '@grpc/grpc-js';
import { type Clock } from '@hermes/runtime';
import { type MetaClient, unary } from './meta-client.js';
import { groupSettings, type TopicEntry, topicSettings } from './settings.js';

/** Where the partitions of a topic are, as far as the meta-server knows. */
export interface TopicRoutes {
  /** 0: there is no such topic. */
  readonly partitionCount: number;
  readonly routes: ReadonlyMap<number, { readonly endpoint: string; readonly epoch: number }>;
}

/** How long an answer about a topic that is not ours is used again: misdirected callers cost one question a second. */
const ROUTES_FRESH_MS = 1_000;

/** The same where the answer was no: a topic or a partition may have been made meanwhile. */
const ROUTES_FRESHEST_MS = 100;

/** Names that are remembered at once; beyond it the oldest is forgotten. */
const ROUTES_MAX = 1_000;

const PAGE_SIZE = 1_000;

/** What the meta-server knows of topics: read for partitions that open, and for callers of partitions owned elsewhere. */
export class Catalog {
  readonly #meta: MetaClient;
  readonly #clock: Clock;
  readonly #routes = new Map<string, { readonly asOfMs: number; readonly answer: Promise<TopicRoutes> }>();

  constructor(meta: MetaClient, clock: Clock) {
    this.#meta = meta;
    this.#clock = clock;
  }

  /** A topic with all its groups; undefined if there is no such topic. */
  async readTopic(name: string): Promise<TopicEntry | undefined> {
    try {
      const [topic, groups] = await Promise.all([this.#readTopic(name), this.#readGroups(name)]);
      if (topic === undefined) {
        return undefined;
      }
      return { topic: topicSettings(topic), groups: groups.map((group) => groupSettings(group, topic)) };
    } catch (error) {
      if (error instanceof HermesError && error.code === 'TOPIC_NOT_FOUND') {
        return undefined;
      }
      throw error;
    }
  }

  /** The data sources, or the first thousand of them. */
  async listDataSources(): Promise<DataSource[]> {
    const { dataSources } = await this.#meta.ask(({ admin }, deadline) =>
      unary(admin.listDataSources.bind(admin), { pageSize: PAGE_SIZE, pageToken: '' }, deadline),
    );
    return dataSources;
  }

  /** A data source, as it is now. Throws DATA_SOURCE_NOT_FOUND. */
  async readDataSource(name: string): Promise<DataSource> {
    const { dataSource } = await this.#meta.ask(({ admin }, deadline) =>
      unary(admin.getDataSource.bind(admin), { dataSource: name }, deadline),
    );
    if (dataSource === undefined) {
      throw new HermesError('DATA_SOURCE_NOT_FOUND', `there is no data source ${name}`);
    }
    return dataSource;
  }

  /**
   * Routes of any topic, at most a second old, or a tenth if they lack `partition`: it may just have been added.
   * Concurrent questions are one.
   */
  async routes(topic: string, partition = 0): Promise<TopicRoutes> {
    const routes = await this.#routesWithin(topic, ROUTES_FRESH_MS);
    return partition < routes.partitionCount ? routes : this.#routesWithin(topic, ROUTES_FRESHEST_MS);
  }

  #routesWithin(topic: string, maxAgeMs: number): Promise<TopicRoutes> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#routes.get(topic);
    if (known !== undefined && nowMs - known.asOfMs < maxAgeMs) {
      return known.answer;
    }
    const answer = this.#askRoutes(topic);
    this.#routes.delete(topic);
    this.#routes.set(topic, { asOfMs: nowMs, answer });
    answer.catch(() => this.#routes.delete(topic));
    const oldest = this.#routes.keys().next();
    if (this.#routes.size > ROUTES_MAX && oldest.done !== true) {
      this.#routes.delete(oldest.value);
    }
    return answer;
  }

  #readTopic(topic: string): Promise<Topic | undefined> {
    return this.#meta.ask(async ({ admin }, deadline) => {
      const response = await unary(admin.getTopic.bind(admin), { topic }, deadline);
      return (response as { topic?: Topic }).topic;
    });
  }

  async #readGroups(topic: string): Promise<Group[]> {
    const groups: Group[] = [];
    let pageToken = '';
    do {
      const request = { topic, pageSize: PAGE_SIZE, pageToken };
      const page = await this.#meta.ask(({ admin }, deadline) =>
        unary(admin.listGroups.bind(admin), request, deadline),
      );
      groups.push(...page.groups);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return groups;
  }

  #askRoutes(topic: string): Promise<TopicRoutes> {
    return this.#meta.ask(
      ({ coordination }, deadline) =>
        new Promise((resolve, reject) => {
          const stream: ClientReadableStream<WatchRoutesResponse> = coordination.watchRoutes(
            { topics: [topic] },
            { deadline },
          );
          // The snapshot is all that is asked for; the stream's own end afterwards says nothing.
          stream.once('data', (snapshot: WatchRoutesResponse) => {
            resolve(topicRoutes(snapshot, topic));
            stream.cancel();
          });
          stream.on('error', reject);
          stream.on('end', () => {
            reject(new HermesError('NO_LEADER', 'the meta-server ended the stream of routes'));
          });
        }),
    );
  }
}

function topicRoutes(snapshot: WatchRoutesResponse, topic: string): TopicRoutes {
  const found = snapshot.topics.find((each) => each.topic === topic);
  const entry = (route: WatchRoutesResponse_Topic_Route) =>
    [route.partition, { endpoint: route.endpoint, epoch: route.epoch }] as const;
  return { partitionCount: found?.partitionCount ?? 0, routes: new Map(found?.routes.map(entry)) };
}
