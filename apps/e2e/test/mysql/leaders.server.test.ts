import { connect, type Hermes, StorageClass } from '@hermes/client';
import { eventually, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { AckTimes } from '../harness/ack-times.js';
import { type Cluster, type MetaProcess } from '../harness/cluster.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { owned } from '../harness/placed.js';

const PARTITIONS = 4;
const TOPIC = { topic: 'orders', group: 'billing' } as const;
const PATIENCE = { deadlineMs: 60_000 };
const LEASE_TTL_MS = 6_000;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/** The process that says of itself that it leads. */
async function leaderOf({ metas }: Cluster): Promise<MetaProcess> {
  return eventually(async () => {
    for (const meta of metas) {
      const metrics = await meta.process.ops('/metrics').catch(() => ({ text: '' }));
      if (/^hermes_meta_server_leading 1$/m.test(metrics.text)) {
        return meta;
      }
    }
    throw new Error('nobody leads');
  }, PATIENCE);
}

/** A topic under load by a gateway's client and by one that finds meta-servers itself. */
class Load implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly times = new AckTimes();
  /** When a message was delivered last, by consumer (performance.now). */
  readonly deliveredAtMs = [0, 0];
  readonly #enough = new AbortController();
  readonly #ends: Promise<unknown>[] = [];
  readonly #consumers: { stop(): Promise<void> }[] = [];

  private constructor(
    readonly gateway: Hermes,
    readonly direct: Hermes,
  ) {}

  static async start({ hermes, processes }: MysqlCluster): Promise<Load> {
    await hermes.admin.createTopic({ name: TOPIC.topic, storageClass: StorageClass.MYSQL, partitions: PARTITIONS });
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
    const load = new Load(hermes, await connect({ metaServers: processes.metaEndpoints }));
    for (const [nth, client] of [load.gateway, load.direct].entries()) {
      const handle = (): void => {
        load.deliveredAtMs[nth] = performance.now();
      };
      load.#consumers.push(startConsumer(client, load.ledger, { ...TOPIC, name: `c-${nth}`, handle }));
      const names = { topic: TOPIC.topic, name: `load-${nth}`, messages: 10_000_000, keys: 20 };
      const onAcknowledged = (id: string): void => {
        load.times.note(id);
      };
      load.#ends.push(publishLoad(client, load.ledger, { ...names, signal: load.#enough.signal, onAcknowledged }));
    }
    await load.served();
    return load;
  }

  /** Waits until every partition has acknowledged something from now on. */
  async served(): Promise<void> {
    const nowMs = performance.now();
    await eventually(() => this.times.allServed(ALL, nowMs), PATIENCE);
  }

  /** Ends the load and checks that nothing was lost, refused, or left open. */
  async check(): Promise<void> {
    this.#enough.abort();
    await Promise.all(this.#ends);
    await seenAll(this.gateway, this.ledger, TOPIC.topic, TOPIC.group);
    await settledAll(this.gateway, TOPIC.topic, TOPIC.group);
    expect(this.ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    expect([this.ledger.count('unknown'), this.ledger.count('refused')]).toEqual([0, 0]);
    expect(this.ledger.repeats(TOPIC.group)).toBe(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#enough.abort();
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
    await this.direct.close();
  }
}

describe.each(SQL_SERVER_KINDS)('several meta-servers on %s', (kind) => {
  const report = (what: string, pauseMs: number): void => {
    process.stdout.write(`${kind}: ${what}: longest pause of a partition ${pauseMs.toFixed(0)} ms\n`);
  };

  it('a leader that stops, is killed or stands still is followed; nobody notices and nothing moves', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 3, leaseTtlMs: LEASE_TTL_MS });
    const { processes, hermes } = cluster;
    await using load = await Load.start(cluster);
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
      report(`leader ended by ${signal}`, load.times.longestPauseMs(ALL, sinceMs));
    }
    expect(epochs).toEqual(epochs.map((_, nth) => epochs[0]! + nth));
    await load.check();
  });

  it('with all of them gone brokers go on by the database; when they are back nothing has moved', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 2, leaseTtlMs: LEASE_TTL_MS });
    const { processes, hermes } = cluster;
    await using load = await Load.start(cluster);
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
    report(`no meta-server for ${3 * LEASE_TTL_MS} ms`, load.times.longestPauseMs(ALL, sinceMs));
    await load.check();
  });
});
