import { eventually, sharedMysql } from '@hermes/testing';

import { MovePauses } from '../harness/move-pauses.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { owned } from '../harness/placed.js';
import { ALL, TOPIC, TopicLoad } from '../harness/topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };

// On one of the servers: they differ in nothing that this is about, and it takes its time.
describe.each(['mysql'] as const)('a rolling restart on %s', (kind) => {
  it('of every process in turn: no caller sees an error, nothing is lost, nothing settled comes again', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 2, brokers: 2 });
    const { hermes, processes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const { metas, brokers, gateway } = processes;
    for (const process of [...brokers.map((broker) => broker.process), ...metas.map((meta) => meta.process), gateway]) {
      // What is in flight is handed over; only a gateway, which keeps nothing, gives it back.
      expect(load.repeats).toBe(0);
      const sinceMs = performance.now();
      expect([process.title, await process.end('SIGTERM')]).toEqual([process.title, { code: 0, signal: null }]);
      await process.startReady();
      // As an operator would before the next one: everything is owned and served, by both brokers.
      await eventually(async () => {
        const owners = await owned(hermes, TOPIC.topic);
        expect(brokers.map(({ name }) => owners.filter((owner) => owner.includes(name)).length)).toEqual([2, 2]);
      }, PATIENCE);
      await load.resumed();
      await load.consumed();
      const pauses = new MovePauses(load.seen);
      pauses.note(ALL, sinceMs);
      globalThis.process.stdout.write(`${kind}: ${process.title} restarted, partitions paused: ${String(pauses)}\n`);
    }
    await load.check();
  });
});
