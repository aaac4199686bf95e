import { type Hermes, StorageClass, stringCodec } from '@hermes/client';
import { timestampToMs } from '@hermes/contracts';
import { eventually, sharedMysql } from '@hermes/testing';

import { FalseClocks } from '../harness/false-clocks.js';
import { type HermesProcess } from '../harness/hermes-process.js';
import { leaderOf } from '../harness/leader.js';
import { Moment } from '../harness/moment.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';
import { TOPIC, TopicLoad } from '../harness/topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };
const HOUR_S = 3_600;
const DELAY_MS = 1_500;
const TIMED = { topic: 'timed', group: 'reminders' } as const;

interface Owned {
  readonly partition: number;
  readonly owner: string;
  readonly epoch: number;
}

/** Who owns each partition, once each has an owner. */
function ownedIn(hermes: Hermes): Promise<Owned[]> {
  return eventually(async () => {
    const partitions = await placed(hermes, TOPIC.topic);
    expect(partitions.map(({ broker }) => broker)).not.toContain('');
    return partitions
      .map(({ partition, broker, epoch }) => ({ partition, owner: broker, epoch }))
      .sort((a, b) => a.partition - b.partition);
  }, PATIENCE);
}

/** Messages that are due later, and fail once: since when each waits, and how late it came, by the clocks of the test. */
class Timed {
  readonly #waits = new Map<string, Moment>();
  readonly early: string[] = [];
  #latestMs = 0;
  #done = 0;
  #count = 0;

  private constructor(private readonly hermes: Hermes) {}

  static async start(hermes: Hermes): Promise<Timed> {
    await hermes.admin.createTopic({ name: TIMED.topic, storageClass: StorageClass.MYSQL, partitions: 4 });
    await hermes.admin.createGroup({ topic: TIMED.topic, name: TIMED.group });
    const timed = new Timed(hermes);
    const consumer = hermes.consumer(TIMED.topic, TIMED.group, { codec: stringCodec });
    void consumer.run(async (delivery) => {
      const { body, attempt } = delivery;
      timed.#came(body, attempt);
      if (attempt === 1) {
        timed.#waits.set(body, new Moment());
        await delivery.nack({ delayMs: DELAY_MS });
      }
    });
    return timed;
  }

  /** Publishes to every partition what is due later. */
  async publish(): Promise<void> {
    const producer = this.hermes.producer(TIMED.topic, { codec: stringCodec });
    const names = Array.from({ length: 16 }, () => `m-${(this.#count += 1)}`);
    await Promise.all(
      names.map((name) => {
        this.#waits.set(name, new Moment());
        return producer.publish(name, { key: name, delayMs: DELAY_MS });
      }),
    );
  }

  /** Waits until all have come, failed, and come again. */
  async settled(): Promise<void> {
    await eventually(() => {
      expect(this.#done).toBe(this.#count);
    }, PATIENCE);
  }

  /** How late the latest delivery was since this was asked last. */
  takeLatestMs(): number {
    const latestMs = this.#latestMs;
    this.#latestMs = 0;
    return latestMs;
  }

  #came(body: string, attempt: number): void {
    const lateMs = (this.#waits.get(body)?.agoMs() ?? 0) - DELAY_MS;
    this.#latestMs = Math.max(this.#latestMs, lateMs);
    if (lateMs < 0 || attempt > 2) {
      this.early.push(`${body} #${attempt} ${lateMs.toFixed(0)} ms after it was due`);
    }
    this.#done += attempt === 2 ? 1 : 0;
  }
}

describe('wall clocks that jump by an hour', () => {
  it('of a broker, the gateway and the leader: leases hold, nothing comes early or twice, what is due comes', async () => {
    await using database = await (await sharedMysql('mariadb')).createDatabase();
    using clocks = new FalseClocks();
    const { environmentOf } = clocks;
    await using cluster = await MysqlCluster.startShared(database, { metaServers: 2, environmentOf });
    const { hermes, processes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const timed = await Timed.start(hermes);
    /** Sets a clock while much is on its way; who owned what before, and who does afterwards. */
    const jump = async ({ title }: HermesProcess, seconds: number): Promise<[Owned[], Owned[]]> => {
      const before = await ownedIn(hermes);
      const sinceMs = performance.now();
      await timed.publish();
      clocks.set(title, seconds);
      await timed.settled();
      await load.served();
      await load.consumed();
      process.stdout.write(
        `clock of ${title} wrong by ${seconds} s: longest pause of a partition ${load.longestPauseMs(sinceMs).toFixed(0)} ms, ` +
          `latest delivery ${timed.takeLatestMs().toFixed(0)} ms after it was due\n`,
      );
      return [before, await ownedIn(hermes)];
    };

    const leader = await leaderOf(processes);
    for (const seconds of [HOUR_S, -HOUR_S]) {
      const [before, after] = await jump(leader.process, seconds);
      expect(after).toEqual(before);
      // Its clock is wrong indeed: so it says of what it makes.
      const { createdAt } = await hermes.admin.createTopic({ name: `made-at-${seconds}`, partitions: 1 });
      const wrongS = (timestampToMs(createdAt!)! - Date.now()) / 1_000;
      expect(Math.abs(wrongS - seconds)).toBeLessThan(HOUR_S / 2);
    }
    for (const seconds of [HOUR_S, -HOUR_S]) {
      const [before, after] = await jump(processes.gateway, seconds);
      expect(after).toEqual(before);
    }
    const { name, process: broker } = processes.brokers[0]!;
    const [before] = await jump(broker, HOUR_S);
    // So it looks when a machine was suspended: what it held may be another's. It gives all up, and is granted it anew.
    await eventually(async () => {
      const after = await ownedIn(hermes);
      expect(after.map(({ owner }) => owner)).toEqual(before.map(({ owner }) => owner));
      expect(after.map(({ epoch }, nth) => epoch > before[nth]!.epoch)).toEqual(
        after.map(({ owner }) => owner === name),
      );
    }, PATIENCE);
    const [earlier, later] = await jump(broker, -HOUR_S);
    expect(later).toEqual(earlier);

    expect(timed.early).toEqual([]);
    // What was in flight at the broker that gave up may come again: nothing that was settled.
    await load.check();
  });
});
