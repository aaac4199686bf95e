import { connect, type Delivery, type Hermes, StorageClass } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { AckTimes } from './ack-times.js';
import { seenAll, settledAll } from './drain.js';
import { Ledger, NO_VIOLATIONS } from './ledger.js';
import { publishLoad, startConsumer } from './load.js';
import { type MysqlCluster } from './mysql-cluster.js';

export const TOPIC = { topic: 'orders', group: 'billing' } as const;
const PARTITIONS = 4;
/** All partitions of the topic. */
export const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
/** Often enough to see short pauses, and leaves processors to those who are watched. */
const REST_MS = 10;
const PATIENCE = { deadlineMs: 60_000 };

/** A topic of a data source under load by a gateway's client and by one that finds meta-servers itself; both consume, too. */
export class TopicLoad implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly times = new AckTimes();
  /** The same by who published, and when messages were delivered. */
  readonly seen = { sdk: new AckTimes(), gateway: new AckTimes(), consumers: new AckTimes() };
  /** When a message was delivered last, by consumer (performance.now). */
  readonly deliveredAtMs = [0, 0];
  readonly #enough = new AbortController();
  readonly #ends: Promise<unknown>[] = [];
  readonly #consumers: { stop(): Promise<void> }[] = [];

  private constructor(
    readonly gateway: Hermes,
    readonly direct: Hermes,
  ) {}

  /** Makes topic and group, and returns once every partition has acknowledged something. */
  static async start({ hermes, processes }: MysqlCluster, dataSource = 'db'): Promise<TopicLoad> {
    const { topic, group } = TOPIC;
    await hermes.admin.createTopic({
      ...{ name: topic, storageClass: StorageClass.MYSQL, partitions: PARTITIONS, dataSources: [dataSource] },
    });
    await hermes.admin.createGroup({ topic, name: group });
    const load = new TopicLoad(hermes, await connect({ metaServers: processes.metaEndpoints }));
    [load.seen.gateway, load.seen.sdk].forEach((times, nth) => {
      load.#run(nth === 0 ? load.gateway : load.direct, nth, times);
    });
    await load.served();
    return load;
  }

  /** Waits until every partition has acknowledged something from now on. */
  async served(): Promise<void> {
    const nowMs = performance.now();
    await eventually(() => this.times.allServed(ALL, nowMs), PATIENCE);
  }

  /** Waits until both consumers were delivered something from now on. */
  async consumed(): Promise<void> {
    const nowMs = performance.now();
    await eventually(() => this.deliveredAtMs.every((deliveredMs) => deliveredMs > nowMs), PATIENCE);
  }

  /** Waits until both publishers and the consumers have had something of these partitions from now on. */
  async resumed(partitions: readonly number[] = ALL): Promise<void> {
    const nowMs = performance.now();
    await eventually(() => Object.values(this.seen).every((times) => times.allServed(partitions, nowMs)), PATIENCE);
  }

  /** The longest time that a partition took no publish since then (performance.now). */
  longestPauseMs(sinceMs: number): number {
    return this.times.longestPauseMs(ALL, sinceMs);
  }

  /** The same for each partition. */
  pausesMs(sinceMs: number): number[] {
    return ALL.map((partition) => this.times.longestPauseMs([partition], sinceMs));
  }

  /** Messages that were delivered more than once. */
  get repeats(): number {
    return this.ledger.repeats(TOPIC.group);
  }

  /** Ends the load and checks that nothing was lost, nothing settled came again, and no publisher saw an error, unless one may. */
  async check({ mayFail = false } = {}): Promise<void> {
    this.#enough.abort();
    await Promise.all(this.#ends);
    await seenAll(this.gateway, this.ledger, TOPIC.topic, TOPIC.group);
    await settledAll(this.gateway, TOPIC.topic, TOPIC.group);
    expect(this.ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    if (!mayFail) {
      expect([this.ledger.count('unknown'), this.ledger.count('refused')]).toEqual([0, 0]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#enough.abort();
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
    await this.direct.close();
  }

  #run(client: Hermes, nth: number, times: AckTimes): void {
    const handle = async (delivery: Delivery<string>): Promise<void> => {
      this.deliveredAtMs[nth] = performance.now();
      this.seen.consumers.note(delivery.id);
      await delivery.ack();
      this.ledger.settle(TOPIC.group, delivery.body);
    };
    this.#consumers.push(startConsumer(client, this.ledger, { ...TOPIC, name: `c-${nth}`, handle }));
    const names = { topic: TOPIC.topic, name: `load-${nth}`, messages: 10_000_000, keys: 8, restMs: REST_MS };
    const onAcknowledged = (id: string): void => {
      this.times.note(id);
      times.note(id);
    };
    this.#ends.push(publishLoad(client, this.ledger, { ...names, signal: this.#enough.signal, onAcknowledged }));
  }
}
