import { Topic } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';
import { describeServers, type ServerDatabase } from '../test/server-database.js';

describeServers((create) => {
  let database: ServerDatabase;
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    database = await create();
    fixture = await new MetaServerFixture().start(database.settings);
  });

  afterEach(async () => {
    await fixture.stop();
    await database[Symbol.asyncDispose]();
  });

  const createTopic = (name: string) =>
    fixture.admin.createTopic({ topic: Topic.fromPartial({ name, partitions: 2 }) });
  const depose = () =>
    database.connection.query(`update leadership set holder = 'meta-2:4370', incarnation = 1, epoch = epoch + 1`);

  test('a meta-server keeps its topics and epochs over a restart', async () => {
    const broker = fixture.broker();
    await createTopic('orders');
    const epochs = broker.assignments.map(({ epoch }) => epoch);
    await fixture.stopServer();
    await fixture.start(database.settings);
    fixture.broker({ held: broker.assignments });
    await eventually(async () => {
      const { partitions } = await fixture.admin.listPartitions({ topic: 'orders', pageToken: '' });
      expect(partitions.map(({ broker: owner, epoch }) => [owner, epoch])).toEqual(
        epochs.map((epoch) => ['b1', epoch]),
      );
    });
    expect(await fixture.admin.getCluster({})).toMatchObject({ leaderEpoch: 2 });
  });

  test('a second one on the database is refused with 69 and told who leads', async () => {
    const second = new MetaServerFixture();
    await expect(second.start(database.settings)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('127.0.0.1:') as unknown,
    });
  });

  test('one that is deposed ends its streams with NOT_LEADER, answers no heartbeat and asks to be ended with 69', async () => {
    const broker = fixture.broker();
    await createTopic('orders');
    const answered = (): number => broker.grants.filter(({ sequence }) => sequence > 0).length;
    await eventually(() => answered() > 0);
    await depose();
    await eventually(() => broker.ended !== undefined);
    expect(broker.ended).toMatchObject({ code: 'NOT_LEADER' });
    expect(fixture.fatal).toEqual([
      expect.objectContaining({ exitCode: 69, message: expect.stringContaining('meta-2:4370') as unknown }),
    ]);
    const late = fixture.broker({ name: 'b2', incarnation: 2, dataDirectory: 'd2' });
    await eventually(() => late.ended !== undefined);
    expect(late.ended).toMatchObject({ code: 'NOT_LEADER' });
    expect(late.grants).toEqual([]);
    expect(await failureOf(createTopic('late'))).toMatchObject({ code: 'NOT_LEADER' });
    const [rows] = await database.connection.query(`select name from topic`);
    expect(rows).toEqual([{ name: 'orders' }]);
  });
});
