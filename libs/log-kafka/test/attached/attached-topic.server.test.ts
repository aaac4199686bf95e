import { eventually, sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';

import { AttachedFixture, batch, laneOf, TOPIC_ID } from './attached-fixture.js';

jest.setTimeout(30_000);

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

let fixture: AttachedFixture;
beforeEach(async () => {
  fixture = await AttachedFixture.make();
});
afterEach(() => fixture.dispose());

describe('an attached topic', () => {
  it('is neither written to nor made nor deleted', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const first = await fixture.attached();
    await first.close();
    const store = await fixture.attached();
    expect([laneOf(store).firstOffset, laneOf(store).nextOffset]).toEqual([0, 1]);
    await store.close();
    await fixture.engine.deletePartition(TOPIC_ID, 0);
    expect(await fixture.consume(1)).toMatchObject([{ value: 'a' }]);
    const topics = await fixture.admin((admin) => admin.listTopics());
    expect(topics.filter((name) => name.startsWith(fixture.topic))).toEqual([fixture.topic]);
  });

  it('begins for schedules where it ended when it was attached', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }, { value: 'b' }]);
    await (await fixture.attached()).close();
    expect((await fixture.attached()).schedule.marks).toEqual([2]);
  });

  it('is not opened while it is not there', async () => {
    await expect(fixture.request()).rejects.toMatchObject({ kind: 'unavailable', message: /there is no Kafka topic/ });
    expect(fixture.engine.problem).toMatch(/there is no Kafka topic/);
    await fixture.create();
    await fixture.attached();
    expect(fixture.engine.problem).toBeUndefined();
  });

  it('is not opened with another number of partitions, and opened once that was confirmed', async () => {
    await fixture.create();
    const open = laneOf(await fixture.attached());
    await fixture.admin((admin) => admin.createPartitions({ topicPartitions: [{ topic: fixture.topic, count: 3 }] }));
    const problem = `the Kafka topic ${fixture.topic} has 3 partitions, and the Hermes topic that is attached to it 1`;
    // It is seen by itself; what is open goes on.
    await eventually(() => fixture.engine.problem === problem, { deadlineMs: 20_000 });
    expect(fixture.notices).toEqual([problem]);
    expect((await open.append(batch([{ key: 'k' }]))).kind).toBe('appended');
    await expect(fixture.request()).rejects.toMatchObject({ kind: 'unavailable', message: problem });
    expect(await fixture.request({}, 3)).toMatchObject({ kind: 'opened' });
    expect(fixture.engine.problem).toBeUndefined();
  });

  it('has lost data if it ends below what a group has settled', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const store = await fixture.attached();
    const lanes = [{ lane: 0, floor: 1, settled: [] }];
    await store.groupState.commit([{ kind: 'created', groupId: 3, lanes }]);
    await store.close();
    await (await fixture.attached()).close();
    await fixture.admin((admin) => admin.deleteTopics({ topics: [fixture.topic] }));
    await eventually(() => fixture.create().then(() => fixture.request()));
    expect(await fixture.request()).toMatchObject({ kind: 'dataLoss' });
  });

  it('is another one if it was deleted and made anew, however much is in it: what groups have settled is lost', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const store = await fixture.attached();
    await store.groupState.commit([{ kind: 'created', groupId: 3, lanes: [{ lane: 0, floor: 1, settled: [] }] }]);
    await remake();
    await store.lost;
    await store.close();
    const detail = `the Kafka topic ${fixture.topic} was deleted and made anew`;
    expect(await fixture.request()).toEqual({ kind: 'dataLoss', detail });
    await fixture.close();
    await fixture.open();
    expect(await fixture.request()).toEqual({ kind: 'dataLoss', detail });
  });

  it('may be made anew as long as no group has settled anything', async () => {
    await fixture.create();
    await fixture.produce([{ value: 'a' }]);
    const store = await fixture.attached();
    await store.groupState.commit([{ kind: 'created', groupId: 3, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
    await store.close();
    await remake();
    expect(laneOf(await fixture.attached()).nextOffset).toBe(2);
  });

  /** Another topic of the same name, with more records. */
  async function remake(): Promise<void> {
    await fixture.admin((admin) => admin.deleteTopics({ topics: [fixture.topic] }));
    await eventually(() => fixture.create().then(() => true));
    await fixture.produce([{ value: 'b' }, { value: 'c' }]);
  }

  it('is none of Hermes’ own', async () => {
    const own = `${fixture.topic}.1.0`;
    await expect(fixture.request({ topic: own })).rejects.toMatchObject({ message: /one of Hermes' own/ });
  });
});
