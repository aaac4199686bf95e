import { eventually, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { leaderOf } from '../harness/leader.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { owned } from '../harness/placed.js';
import { TOPIC, TopicLoad } from '../harness/topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };
const LEASE_TTL_MS = 6_000;

describe.each(SQL_SERVER_KINDS)('several meta-servers on %s', (kind) => {
  const report = (what: string, pauseMs: number): void => {
    process.stdout.write(`${kind}: ${what}: longest pause of a partition ${pauseMs.toFixed(0)} ms\n`);
  };

  it('a leader that stops, is killed or stands still is followed; nobody notices and nothing moves', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 3, leaseTtlMs: LEASE_TTL_MS });
    const { processes, hermes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const before = await owned(hermes, TOPIC.topic);
    const epochs = [(await hermes.admin.getCluster()).leaderEpoch];
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const) {
      const sinceMs = performance.now();
      const deposed = await leaderOf(processes);
      if (signal === 'SIGSTOP') {
        deposed.process.signal(signal);
      } else {
        await deposed.process.end(signal);
      }
      const leader = await eventually(async () => {
        const seen = await hermes.admin.getCluster();
        expect(seen.leaderEndpoint).not.toBe(deposed.endpoint);
        return seen;
      }, PATIENCE);
      epochs.push(leader.leaderEpoch);
      await load.served();
      if (signal === 'SIGSTOP') {
        deposed.process.signal('SIGCONT');
        // It believes in nothing any more: what it still answers is a referral.
        await eventually(async () => {
          expect((await deposed.process.ops('/metrics')).text).toMatch(/^hermes_meta_server_leading 0$/m);
        }, PATIENCE);
      } else {
        await deposed.process.startReady();
      }
      await eventually(async () => {
        expect(await owned(hermes, TOPIC.topic)).toEqual(before);
      }, PATIENCE);
      report(`leader ended by ${signal}`, load.longestPauseMs(sinceMs));
    }
    expect(epochs).toEqual(epochs.map((_, nth) => epochs[0]! + nth));
    await load.check();
    expect(load.repeats).toBe(0);
  });

  it('with all of them gone brokers go on by the database; when they are back nothing has moved', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 2, leaseTtlMs: LEASE_TTL_MS });
    const { processes, hermes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const before = await owned(hermes, TOPIC.topic);
    const sinceMs = performance.now();
    await Promise.all(processes.metas.map(({ process }) => process.end('SIGKILL')));
    // Longer than any lease that a meta-server had granted.
    while (performance.now() - sinceMs < 3 * LEASE_TTL_MS) {
      await load.served();
    }
    const longGoneMs = performance.now() - LEASE_TTL_MS / 2;
    await load.served();
    expect(load.deliveredAtMs.map((deliveredMs) => deliveredMs > longGoneMs)).toEqual([true, true]);
    for (const { process } of processes.brokers) {
      expect((await process.ops('/metrics')).text).toMatch(/^hermes_broker_lease_renewed_in_database 1$/m);
    }
    await Promise.all(processes.metas.map(({ process }) => process.startReady()));
    await eventually(async () => {
      expect(await owned(hermes, TOPIC.topic)).toEqual(before);
    }, PATIENCE);
    await load.served();
    report(`no meta-server for ${3 * LEASE_TTL_MS} ms`, load.longestPauseMs(sinceMs));
    await load.check();
    expect(load.repeats).toBe(0);
  });
});
