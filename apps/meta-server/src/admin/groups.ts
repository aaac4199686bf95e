import {
  checkGroupName,
  checkTopicName,
  type CreateGroupRequest,
  type CreateGroupResponse,
  type DeleteGroupRequest,
  type DeleteGroupResponse,
  Group,
  HermesError,
  invalidField,
  type UpdateGroupRequest,
  type UpdateGroupResponse,
} from '@hermes/contracts';
import { type GroupRecord, type MetadataReads, type TopicRecord } from '@hermes/metadata';

import { type Waiting } from './cluster-view.js';
import { checkEtag } from './etag.js';
import { refuse } from './field-check.js';
import { filledGroup, updatedGroup } from './group-spec.js';
import { groupResource, isSame } from './resource.js';
import { type AdminContext, topicNotFound } from './topics.js';

/** Each group has state and memory in every partition of its topic. */
export const GROUPS_PER_TOPIC_MAX = 1_000;

/** The calls of AdminService that change groups. */
export class GroupAdmin {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  async create(request: CreateGroupRequest, waiting: Waiting): Promise<CreateGroupResponse> {
    const config = filledGroup(request.group);
    const record = await this.#context.changes.run(() => this.#create(config));
    return { group: await this.#served(record, waiting) };
  }

  async update(request: UpdateGroupRequest, waiting: Waiting): Promise<UpdateGroupResponse> {
    const { group: given, updateMask = [] } = request;
    if (given === undefined) {
      throw invalidField('group', 'required');
    }
    checkGroupNames(given.topic, given.name, 'group.topic', 'group.name');
    const record = await this.#context.changes.run(() => this.#update(given, updateMask));
    return { group: await this.#served(record, waiting) };
  }

  async delete({ topic, group, etag, force }: DeleteGroupRequest): Promise<DeleteGroupResponse> {
    checkGroupNames(topic, group);
    const { metadata, cluster, changes } = this.#context;
    await changes.run(async () => {
      const deleted = await metadata.groups.delete(topic, group, (current) => {
        checkEtag(etag, current, `group ${group}`);
        if (!force && cluster.hasConsumers(topic, group)) {
          throw inUse(group, 'stop them, or delete with force');
        }
      });
      if (deleted === undefined) {
        throw await groupMissing(metadata.topics, topic, group);
      }
      cluster.groupDeleted(deleted.record, await this.#topic(topic));
    });
    return {};
  }

  async #create(config: Group): Promise<GroupRecord> {
    const { metadata, cluster, clock } = this.#context;
    const existing = await metadata.groups.get(config.topic, config.name);
    if (existing !== undefined) {
      if (!isSame(Group, existing.config, config)) {
        throw new HermesError('GROUP_EXISTS', `group ${config.name} exists with another configuration`);
      }
      return existing;
    }
    if ((await metadata.groups.count(config.topic)) >= GROUPS_PER_TOPIC_MAX) {
      throw new HermesError('QUOTA_EXCEEDED', `a topic has at most ${GROUPS_PER_TOPIC_MAX} groups`);
    }
    const outcome = await metadata.groups.create(config, clock.wallMs());
    if (outcome === undefined) {
      throw topicNotFound(config.topic);
    }
    cluster.groupChanged(outcome.record, await this.#topic(config.topic));
    return outcome.record;
  }

  async #update(given: Group, mask: readonly string[]): Promise<GroupRecord> {
    const { metadata, cluster } = this.#context;
    const updated = await metadata.groups.update(given.topic, given.name, (current) => {
      checkEtag(given.etag, current, `group ${given.name}`);
      const next = updatedGroup(current.config, given, mask);
      if (next.mode !== current.config.mode && cluster.hasConsumers(given.topic, given.name)) {
        throw inUse(given.name, 'its mode changes while nobody is subscribed');
      }
      return next;
    });
    if (updated === undefined) {
      throw await groupMissing(metadata.topics, given.topic, given.name);
    }
    cluster.groupChanged(updated.record, await this.#topic(given.topic));
    return updated.record;
  }

  /** The topic of a group that was just written; changes are serial, so it is there. */
  async #topic(name: string): Promise<TopicRecord> {
    const record = await this.#context.metadata.topics.get(name);
    if (record === undefined) {
      throw topicNotFound(name);
    }
    return record;
  }

  async #served(record: GroupRecord, waiting: Waiting): Promise<Group> {
    const { cluster, metadata } = this.#context;
    await cluster.served({ name: record.config.topic, revision: record.configRevision }, waiting);
    if (!record.active) {
      await metadata.groups.activate(record.id);
    }
    return groupResource({ ...record, active: true });
  }
}

/** Why there is no such group: its topic is missing, or it is. */
export async function groupMissing(
  topics: MetadataReads['topics'],
  topic: string,
  group: string,
): Promise<HermesError> {
  if ((await topics.get(topic)) === undefined) {
    return topicNotFound(topic);
  }
  return new HermesError('GROUP_NOT_FOUND', `topic ${topic} has no group ${group}`, { details: { topic, group } });
}

/** Throws INVALID_FIELD unless both can be names. */
export function checkGroupNames(topic: string, group: string, topicField = 'topic', groupField = 'group'): void {
  refuse(checkTopicName(topic, topicField));
  refuse(checkGroupName(group, groupField));
}

function inUse(group: string, advice: string): HermesError {
  return new HermesError('RESOURCE_IN_USE', `group ${group} has subscriptions: ${advice}`);
}
