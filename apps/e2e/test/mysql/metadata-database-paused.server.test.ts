import { type HermesError } from '@hermes/client';
import { eventually, sharedMysql, startMysql } from '@hermes/testing';

import { leaderOf, leadersOf } from '../harness/leader.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { owned } from '../harness/placed.js';
import { TOPIC, TopicLoad } from '../harness/topic-load.js';

/** Longer than leadership lasts (5 s), shorter than the leases of brokers: these have nobody to renew them. */
const PAUSE_MS = 6_500;
/** They outlast the pause and the election after it, whenever before it they were last renewed. */
const LEASE_TTL_MS = 20_000;
const PATIENCE = { deadlineMs: 60_000 };

describe('a server with the metadata database that stands still', () => {
  it('publishers and consumers of other data sources notice nothing; afterwards one leads, and nothing has moved', async () => {
    await using server = await startMysql('mariadb');
    await using metadata = await server.createDatabase();
    await using data = await (await sharedMysql('mariadb')).createDatabase();
    await using cluster = await MysqlCluster.startShared(metadata, { data, metaServers: 2, leaseTtlMs: LEASE_TTL_MS });
    const { hermes, processes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const before = await owned(hermes, TOPIC.topic);
    const leading = async (): Promise<number> => (await leadersOf(processes)).length;
    for (const dies of [false, true]) {
      const leader = await leaderOf(processes);
      const { leaderEpoch } = await hermes.admin.getCluster();
      const sinceMs = performance.now();
      await server.pause();
      // Asked while nothing can be written: it is there wholly or not at all, and a repeat makes it so.
      const topic = { name: `made-at-${leaderEpoch}`, partitions: 1 };
      const created = hermes.admin.createTopic(topic).then(
        () => 'OK',
        (error: unknown) => (error as HermesError).code,
      );
      if (dies) {
        await leader.process.end('SIGKILL');
      }
      while (performance.now() - sinceMs < PAUSE_MS) {
        await load.served();
        await load.consumed();
      }
      expect(await leading()).toBe(0);
      await server.resume();
      await eventually(async () => {
        expect(await leading()).toBe(1);
      }, PATIENCE);
      const pausedMs = performance.now() - sinceMs;
      if (dies) {
        await leader.process.startReady();
      }
      const answer = await created;
      expect(await hermes.admin.createTopic(topic)).toMatchObject(topic);
      await eventually(async () => {
        expect(await owned(hermes, TOPIC.topic)).toEqual(before);
      }, PATIENCE);
      await load.served();
      expect(await leading()).toBe(1);
      expect((await hermes.admin.getCluster()).leaderEpoch).toBeGreaterThan(leaderEpoch);
      const what = `metadata database stood still${dies ? ', and the leader was killed' : ''}`;
      process.stdout.write(
        `${what}: a leader again after ${pausedMs.toFixed(0)} ms, CreateTopic answered ${answer}, ` +
          `longest pause of a partition ${load.longestPauseMs(sinceMs).toFixed(0)} ms\n`,
      );
    }
    const { leadershipTerms } = await hermes.admin.getCluster();
    expect(new Set(leadershipTerms.map(({ epoch }) => epoch)).size).toBe(leadershipTerms.length);
    await load.check();
    expect(load.repeats).toBe(0);
  });
});
