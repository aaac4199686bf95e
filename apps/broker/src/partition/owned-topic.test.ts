import { Durability } from '@hermes/contracts';
import { type TopicEntry } from '../catalog/settings.js';
import { OwnedTopic } from './owned-topic.js';

const entry = (bodyBytesMax: number): TopicEntry => ({
  topic: {
    ...{
      name: 'orders',
      id: 1,
      partitions: 1,
      lanes: 1,
      bodyBytesMax,
      paused: false,
      hardRetentionAgeMs: 1_000,
      retentionAgeMs: 1,
      retentionBytes: 0,
    },
    ...{
      storageClass: 'embedded',
      dataSources: [],
      stateInMetadata: false,
      requiredDurability: Durability.DURABLE,
      attached: undefined,
    },
  },
  groups: [],
});

describe('OwnedTopic', () => {
  test('an answer that was asked for earlier does not undo a later one that came first', () => {
    const topic = new OwnedTopic(entry(1), 1, () => Promise.reject(new Error('it has none')));
    topic.update(entry(3), 3);
    topic.update(entry(2), 2);
    expect(topic.settings.bodyBytesMax).toBe(3);
    topic.update(entry(4), 3);
    expect(topic.settings.bodyBytesMax).toBe(4);
  });
});
