import {
  type DataSource,
  type DataSource_Health,
  type Group,
  GroupState,
  timestampFromMs,
  type Topic,
} from '@hermes/contracts';
import { type DataSourceRecord, type GroupRecord, type TopicRecord } from '@hermes/metadata';

import { etagOf } from './etag.js';

/** A topic as callers see it. */
export function topicResource(record: TopicRecord): Topic {
  return {
    ...record.config,
    uid: record.id,
    etag: etagOf(record),
    createdAt: timestampFromMs(record.createdAtMs),
  };
}

/** A group as callers see it. */
export function groupResource(record: GroupRecord): Group {
  return {
    ...record.config,
    uid: record.id,
    etag: etagOf(record),
    createdAt: timestampFromMs(record.createdAtMs),
    state: record.active ? GroupState.ACTIVE : GroupState.CREATING,
  };
}

/** A data source as callers see it, with what brokers tell of it. */
export function dataSourceResource({ config }: DataSourceRecord, health: DataSource_Health[]): DataSource {
  return { ...config, health };
}

/** True if both describe the same, whatever their output-only fields say. */
export function isSame<T>(codec: { toJSON(message: T): unknown }, a: T, b: T): boolean {
  return JSON.stringify(codec.toJSON(a)) === JSON.stringify(codec.toJSON(b));
}
