import { eventually, type KafkaCluster, startKafka } from '@hermes/testing';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ResourcePatternTypes,
} from 'kafkajs';

import { KafkaStore, RECOVERY, topicName } from './kafka-store.js';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;

describe('what Kafka refuses', () => {
  let cluster: KafkaCluster;
  let store: KafkaStore;
  beforeAll(async () => {
    cluster = await startKafka({ security: { sasl: 'scram-sha-256' } });
    store = await KafkaStore.open(cluster);
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    await cluster.close();
  });

  /** Lets the stranger do this to the Kafka topics whose names begin so. */
  function allow(operations: readonly AclOperationTypes[], resourceName: string): Promise<boolean> {
    return store.admin((admin) =>
      admin.createAcls({
        acl: operations.map((operation) => ({
          ...{ principal: 'User:stranger', host: '*', operation, permissionType: AclPermissionTypes.ALLOW },
          ...{ resourceType: AclResourceTypes.TOPIC, resourceName, resourcePatternType: ResourcePatternTypes.LITERAL },
        })),
      }),
    );
  }

  function setTopic(topicId: number, name: string, value: string): Promise<unknown> {
    return store.admin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topicName(topicId), configEntries: [{ name, value }] }],
      }),
    );
  }

  it('a wrong password: it cannot be connected to, and the error says why', async () => {
    await expect(KafkaStore.open(cluster, { password: 'wrong' })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/[Aa]uthentication failed/) as string,
    });
  });

  it('a user without rights: nothing is opened, and the error says why', async () => {
    await using stranger = await KafkaStore.open(cluster, { user: 'stranger' });
    await expect(stranger.partition(1)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/[Nn]ot authorized/) as string,
    });
  });

  it('a user with rights on some topics: these are served beside the others', async () => {
    await (await store.partition(2)).close();
    await (await store.partition(3)).close();
    const { READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS } = AclOperationTypes;
    await allow([READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS], topicName(2));
    await allow([DESCRIBE], topicName(3));
    await using stranger = await KafkaStore.open(cluster, { user: 'stranger' });
    const allowed = await eventually(() => stranger.partition(2), RECOVERY);
    await expect(stranger.partition(3)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/[Nn]ot authorized/) as string,
    });
    expect((await stranger.append(allowed, 'mine'))?.kind).toBe('appended');
    expect(await store.texts(2)).toEqual(['mine']);
  });

  it('an append whose right was taken away: it alone is refused, and taken again with the right', async () => {
    await (await store.partition(4)).close();
    await (await store.partition(5)).close();
    const { READ, WRITE, DESCRIBE } = AclOperationTypes;
    await allow([READ, WRITE, DESCRIBE], topicName(4));
    await allow([READ, WRITE, DESCRIBE], topicName(5));
    await using stranger = await KafkaStore.open(cluster, { user: 'stranger' });
    const [losing, keeping] = [await stranger.partition(4), await stranger.partition(5)];
    await store.admin((admin) =>
      admin.deleteAcls({
        filters: [
          {
            ...{ resourceType: AclResourceTypes.TOPIC, resourceName: topicName(4), operation: WRITE },
            ...{ resourcePatternType: ResourcePatternTypes.LITERAL, permissionType: AclPermissionTypes.ALLOW },
            ...{ principal: 'User:stranger', host: '*' },
          },
        ],
      }),
    );
    await eventually(async () => {
      const both = await Promise.all([stranger.append(losing, 'refused'), stranger.append(keeping, 'kept')]);
      expect(both).toMatchObject([{ kind: 'refused', error: { kind: 'unavailable' } }, { kind: 'appended' }]);
    }, RECOVERY);
    await allow([WRITE], topicName(4));
    await eventually(async () => (await stranger.append(losing, 'taken'))?.kind === 'appended', RECOVERY);
  });

  it('a batch above a limit that was lowered: it alone is refused, and the log takes no larger one again', async () => {
    const [small, other] = [await store.partition(6), await store.partition(7)];
    await setTopic(6, 'max.message.bytes', String(MIB));
    const outcomes = await Promise.all([
      store.append(small, 'x'.repeat(2 * MIB)),
      store.append(other, 'y'.repeat(2 * MIB)),
    ]);
    expect(outcomes).toMatchObject([{ kind: 'refused', error: { kind: 'tooLarge' } }, { kind: 'appended' }]);
    expect(store.refusals).not.toContain('inDoubt');
    expect(small.lanes[0]!.fits(1, 2 * MIB)).toBe(false);
    expect(small.lanes[0]!.fits(1, MIB / 2)).toBe(true);
    expect((await store.append(small, 'z'.repeat(MIB / 2)))?.kind).toBe('appended');
    await store.expectExactly(7);
  });

  it('a Kafka topic that was deleted: its partition is lost, is data loss from then on, and others go on', async () => {
    const [gone, other] = [await store.partition(8), await store.partition(9)];
    await store.append(gone, 'before');
    await store.admin((admin) => admin.deleteTopics({ topics: [topicName(8)] }));
    const refused = store.append(gone, 'nowhere');
    const error = await gone.lost;
    expect(error.message).toContain(`the Kafka topic ${topicName(8)} is gone`);
    expect((await refused)?.kind).not.toBe('appended');
    expect((await store.append(other, 'elsewhere'))?.kind).toBe('appended');
    await gone.close();
    await expect(store.partition(8)).rejects.toThrow('dataLoss');
    expect(await store.admin((admin) => admin.listTopics())).not.toContain(topicName(8));
  });
});
