import {
  checkTopicName,
  type CreateTopicRequest,
  type CreateTopicResponse,
  type DeleteTopicRequest,
  type DeleteTopicResponse,
  HermesError,
  invalidField,
  StateStore,
  StorageClass,
  Topic,
  type UpdateTopicRequest,
  type UpdateTopicResponse,
} from '@hermes/contracts';
import { type Metadata, type TopicRecord } from '@hermes/metadata';
import { type Clock, type Serial } from '@hermes/runtime';

import { type ClusterView, type Waiting } from './cluster-view.js';
import { dataSourceNotFound } from './data-source-spec.js';
import { checkEtag } from './etag.js';
import { refuse } from './field-check.js';
import { checkDataSourceClasses, decidedAs, withStateStore } from './kafka-topic-spec.js';
import { isSame, topicResource } from './resource.js';
import { filledTopic, type TopicDefaults, updatedTopic } from './topic-spec.js';

/** Leases, routes and watchers live in memory: this many partitions take some 100 MB. */
export const PARTITIONS_TOTAL_MAX = 100_000;
/** Bounded by itself, since a topic costs more than its partitions. */
export const TOPICS_MAX = 10_000;

/** What topics and groups are administered with. */
export interface AdminContext {
  readonly metadata: Metadata;
  readonly cluster: ClusterView;
  readonly clock: Clock;
  /** Orders every change with what the leases are told of it. */
  readonly changes: Serial;
  readonly defaults: TopicDefaults;
}

/** The calls of AdminService that change topics. */
export class TopicAdmin {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async create(request: CreateTopicRequest, waiting: Waiting): Promise<CreateTopicResponse> {
    const { cluster, changes, defaults } = this.#context;
    const config = filledTopic(request.topic, defaults);
    const record = await changes.run(() => this.#create(config));
    await cluster.served({ name: config.name, revision: record.configRevision }, waiting);
    return { topic: topicResource(record) };
  }

  async update(request: UpdateTopicRequest, waiting: Waiting): Promise<UpdateTopicResponse> {
    const { topic: given, updateMask = [] } = request;
    if (given === undefined) {
      throw invalidField('topic', 'required');
    }
    refuse(checkTopicName(given.name, 'topic.name'));
    const { metadata, cluster, changes } = this.#context;
    const record = await changes.run(async () => {
      const totals = await metadata.topics.totals();
      const updated = await metadata.topics.update(given.name, (current) => {
        checkEtag(given.etag, current, `topic ${given.name}`);
        const next = updatedTopic(current.config, given, updateMask);
        checkPartitionsTotal(totals.partitions, (next.partitions ?? 0) - (current.config.partitions ?? 0));
        return next;
      });
      const known = found(given.name, updated);
      cluster.topicChanged(known);
      return known;
    });
    await cluster.served({ name: given.name, revision: record.configRevision }, waiting);
    return { topic: topicResource(record) };
  }

  async delete({ topic, etag, force }: DeleteTopicRequest): Promise<DeleteTopicResponse> {
    refuse(checkTopicName(topic));
    const { metadata, cluster, changes } = this.#context;
    await changes.run(async () => {
      const deleted = await metadata.topics.delete(topic, (current) => {
        checkEtag(etag, current, `topic ${topic}`);
        if (!force && cluster.hasConsumers(topic)) {
          throw new HermesError('RESOURCE_IN_USE', `topic ${topic} has subscriptions: stop them, or delete with force`);
        }
      });
      cluster.topicDeleted(found(topic, deleted));
    });
    return {};
  }

  async #create(config: Topic): Promise<TopicRecord> {
    const { metadata, cluster, clock } = this.#context;
    const existing = await metadata.topics.get(config.name);
    if (existing !== undefined) {
      return same(existing, config);
    }
    const complete = await this.#onDataSources(config);
    const totals = await metadata.topics.totals();
    if (totals.topics >= TOPICS_MAX) {
      throw new HermesError('QUOTA_EXCEEDED', `there are ${totals.topics} topics; at most ${TOPICS_MAX} are allowed`);
    }
    checkPartitionsTotal(totals.partitions, config.partitions ?? 0);
    const { record } = await metadata.topics.create(complete, clock.wallMs());
    cluster.topicChanged(record);
    return record;
  }

  /**
   * The topic with what its data sources decide. What it names must be there, and fit its storage class; one that names
   * none of that class needs any.
   */
  async #onDataSources(topic: Topic): Promise<Topic> {
    const { metadata, cluster } = this.#context;
    const { storageClass } = topic;
    const classes: StorageClass[] = [];
    for (const name of topic.dataSources) {
      const found = await metadata.dataSources.get(name);
      if (found === undefined) {
        throw dataSourceNotFound(name);
      }
      classes.push(found.config.storageClass);
    }
    checkDataSourceClasses(topic, classes);
    const isPlaced = storageClass === StorageClass.EMBEDDED || classes.includes(storageClass);
    if (!isPlaced && !cluster.canPlace(storageClass)) {
      const message = `there is no data source for storage class ${StorageClass[storageClass]}: create one first`;
      throw new HermesError('DATA_SOURCE_NOT_FOUND', message);
    }
    const complete = withStateStore(topic, classes, { isMetadataShared: metadata.brokerLeases !== undefined });
    if (complete.kafka?.stateStore === StateStore.METADATA) {
      refuseUnreached(cluster.withoutMetadata(topic.brokerGroup));
    }
    return complete;
  }
}

/** Their partitions would never open there. */
function refuseUnreached(brokers: readonly string[]): void {
  if (brokers.length > 0) {
    throw new HermesError(
      'UNSUPPORTED_BY_STORAGE',
      `the groups’ state would be in the metadata database, to which these brokers were not told the way: ` +
        `${brokers.join(', ')}. Start them with --metadata-url, name a data source of class MYSQL, or ask for ` +
        `kafka.state_store DATA_DIRECTORY`,
      { details: { feature: 'kafka.state_store' } },
    );
  }
}

function checkPartitionsTotal(total: number, added: number): void {
  if (added > 0 && total + added > PARTITIONS_TOTAL_MAX) {
    throw new HermesError(
      'QUOTA_EXCEEDED',
      `there are ${total} partitions of all topics; at most ${PARTITIONS_TOTAL_MAX} are allowed`,
    );
  }
}

function same(existing: TopicRecord, config: Topic): TopicRecord {
  if (!isSame(Topic, existing.config, decidedAs(existing.config, config))) {
    throw new HermesError('TOPIC_EXISTS', `topic ${config.name} exists with another configuration`);
  }
  return existing;
}

function found(name: string, record: TopicRecord | undefined): TopicRecord {
  if (record === undefined) {
    throw topicNotFound(name);
  }
  return record;
}

/** There is no such topic. */
export function topicNotFound(name: string): HermesError {
  return new HermesError('TOPIC_NOT_FOUND', `there is no topic ${name}`, { details: { topic: name } });
}
