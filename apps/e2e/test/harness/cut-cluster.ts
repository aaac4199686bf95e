import { eventually, sharedMysql, type TestDatabase } from '@hermes/testing';

import { leaderOf, leadersOf } from './leader.js';
import { ask, laneTables, MysqlCluster } from './mysql-cluster.js';
import { type Loss, Network, placesOf } from './network.js';
import { owned, placed } from './placed.js';
import { TOPIC, TopicLoad } from './topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };
const LEASE_TTL_MS = 6_000;
/** Longer than a lease, and shorter than the time that a publish may take. */
const CUT_MS = 7_500;
export const METAS = ['meta-server-0', 'meta-server-1'] as const;
export const [FIRST, SECOND] = ['broker-0', 'broker-1'] as const;

/** Who is cut off, and from whom. */
type Cut = readonly [process: string, others: readonly string[]];

/** Processes and their database under load, any two of which can be cut off from each other. */
export class CutCluster implements AsyncDisposable {
  private constructor(
    private readonly database: TestDatabase,
    private readonly network: Network,
    readonly cluster: MysqlCluster,
    readonly load: TopicLoad,
  ) {}

  /** The one database has two addresses: as the metadata's, and as a data source. */
  static async start(): Promise<CutCluster> {
    const database = await (await sharedMysql('mariadb')).createDatabase();
    const { host, port } = database;
    const network = new Network();
    const [metadata, data] = [`127.0.0.2:${port}`, `127.0.0.3:${port}`];
    const cluster = await MysqlCluster.startShared(
      { ...database, host: '127.0.0.2' },
      {
        ...{ data: { ...database, host: '127.0.0.3' }, metaServers: 2, brokers: 2, leaseTtlMs: LEASE_TTL_MS },
        environmentOf: network.environmentOf,
        onPlaced: (endpoints) =>
          network.lay(
            placesOf(endpoints)
              .set('metadata', { host, port, knownAs: metadata })
              .set('storage', { host, port, knownAs: data }),
          ),
      },
    );
    return new CutCluster(database, network, cluster, await TopicLoad.start(cluster));
  }

  /** While that is cut, for longer than leases last, every partition is served and consumed, and afterwards nothing has moved. */
  async unnoticed(cuts: readonly Cut[], loss: Loss): Promise<void> {
    const { load } = this;
    const before = await this.balanced();
    const sinceMs = performance.now();
    using lines = this.#cut(cuts, loss);
    while (performance.now() - sinceMs < CUT_MS) {
      await load.served();
      await load.consumed();
    }
    lines[Symbol.dispose]();
    await eventually(async () => {
      expect(await owned(load.direct, TOPIC.topic)).toEqual(before);
    }, PATIENCE);
    await this.#goesOn(cuts, loss, sinceMs);
  }

  /** Another meta-server leads, at a higher epoch; nothing moves. */
  async ledByAnother(loss: Loss): Promise<void> {
    const { load, cluster } = this;
    const before = await this.balanced();
    const { leaderEpoch } = await load.direct.admin.getCluster();
    const { title } = (await leaderOf(cluster.processes)).process;
    const sinceMs = performance.now();
    const cuts: Cut[] = [[title, ['metadata']]];
    using lines = this.#cut(cuts, loss);
    await eventually(async () => {
      const leaders = await leadersOf(cluster.processes);
      expect(leaders.map(({ process }) => process.title)).toEqual(METAS.filter((meta) => meta !== title));
    }, PATIENCE);
    const ledMs = performance.now() - sinceMs;
    await load.served();
    lines[Symbol.dispose]();
    await eventually(async () => {
      expect(await owned(load.direct, TOPIC.topic)).toEqual(before);
      expect((await load.direct.admin.getCluster()).leaderEpoch).toBeGreaterThan(leaderEpoch);
    }, PATIENCE);
    await this.#goesOn(cuts, loss, sinceMs, `led by the other after ${ledMs.toFixed(0)} ms; `);
  }

  /** What the first broker has is taken over, at higher epochs, and served; it comes back by itself. */
  async takenOver(others: readonly string[], loss: Loss): Promise<void> {
    const { load } = this;
    await this.balanced();
    const before = await placed(load.direct, TOPIC.topic);
    const sinceMs = performance.now();
    const cuts: Cut[] = [[FIRST, others]];
    using lines = this.#cut(cuts, loss);
    await eventually(async () => {
      const after = await placed(load.direct, TOPIC.topic);
      expect(after.map(({ broker }) => broker)).toEqual(after.map(() => SECOND));
      expect(after.map(({ epoch }, nth) => epoch > before[nth]!.epoch)).toEqual(
        before.map(({ broker }) => broker === FIRST),
      );
    }, PATIENCE);
    const takenMs = performance.now() - sinceMs;
    await load.served();
    await load.consumed();
    const pauseMs = load.longestPauseMs(sinceMs);
    // Whatever it has sent and was not heard is heard now.
    lines[Symbol.dispose]();
    await this.balanced();
    await this.#goesOn(
      cuts,
      loss,
      sinceMs,
      `taken over after ${takenMs.toFixed(0)} ms, served after ${pauseMs.toFixed(0)} ms; `,
    );
  }

  /** Once all is served, by both brokers alike: who has what. */
  balanced(): Promise<string[]> {
    const { load, cluster } = this;
    return eventually(async () => {
      const owners = await owned(load.direct, TOPIC.topic);
      const counts = cluster.processes.brokers.map(({ name }) => owners.filter((owner) => owner.includes(name)).length);
      expect(counts).toEqual([2, 2]);
      await load.served();
      return owners;
    }, PATIENCE);
  }

  /** No record of an earlier epoch stands behind one of a later. */
  async checkEpochs(): Promise<void> {
    for (const table of await laneTables(this.database)) {
      const rows = await ask(
        this.database,
        `SELECT log_offset FROM (SELECT log_offset, epoch, LAG(epoch) OVER (ORDER BY log_offset) AS former FROM ${table}) AS log
         WHERE epoch < former`,
      );
      expect([table, rows]).toEqual([table, []]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    await this.database.drop();
  }

  #cut(cuts: readonly Cut[], loss: Loss): Disposable {
    const lines = cuts.map(([one, others]) => this.network.cut(one, others, loss));
    return {
      [Symbol.dispose]: () => {
        lines.forEach((line) => {
          line[Symbol.dispose]();
        });
      },
    };
  }

  async #goesOn(cuts: readonly Cut[], loss: Loss, sinceMs: number, more = ''): Promise<void> {
    const { load } = this;
    await load.served();
    await load.consumed();
    const who = cuts.map(([one, others]) => `${one} from ${others.join(' and ')}`).join(', ');
    const pauses = load.pausesMs(sinceMs).map((ms) => ms.toFixed(0));
    process.stdout.write(
      `cut off: ${who} (loses ${loss}): ${more}longest pauses of the partitions ${pauses.join(', ')} ms; so far ` +
        `${load.repeats} delivered again, ${load.ledger.count('unknown')} publishes of unknown outcome\n`,
    );
  }
}
