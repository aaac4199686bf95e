import { credentials } from '@grpc/grpc-js';
import { type LeaseAssignment, type LeaseChange } from '@hermes/coordination';
import { InFlightPool } from '@hermes/delivery';
import { createLogger, createMetrics } from '@hermes/kit';
import { ByteBudget, PageCache, TailCache } from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { systemClock, systemRandom, systemTimers, TaskGroup } from '@hermes/runtime';
import { eventually, temporaryDirectory } from '@hermes/testing';
import { Catalog } from '../src/catalog/catalog.js';
import { MetaClient } from '../src/catalog/meta-client.js';
import { createCounters } from '../src/counters.js';
import { keyHashOfRecord } from '../src/partition/key-hash.js';
import { Ownership } from '../src/partition/ownership.js';
import { PartitionOpener } from '../src/partition/partition-opener.js';
import { type Partition } from '../src/partition/partition.js';
import { type PartitionServices } from '../src/partition/partition-services.js';
import { Turns } from '../src/partition/turns.js';
import { FakeMetaServer } from './fake-meta-server.js';
import { WatchedEngine } from './watched-engine.js';

const CACHE_BYTES = 1024 * 1024;

/** Ownership with storage and a catalog of its own: the test gives the lease's orders and sees the reports. */
export class OwnershipFixture {
  readonly meta = new FakeMetaServer();
  readonly reports: string[] = [];
  readonly fatal: unknown[] = [];
  engine!: WatchedEngine;
  ownership!: Ownership;
  readonly #directory = temporaryDirectory();
  readonly #tasks = new TaskGroup((_, error) => this.fatal.push(error));
  #client!: MetaClient;

  async start(): Promise<void> {
    await this.meta.start();
    const onFatal = (error: unknown): number => this.fatal.push(error);
    this.engine = new WatchedEngine(await openEmbeddedEngine({ directory: this.#directory.path, onFatal }));
    this.#client = new MetaClient([this.meta.endpoint], credentials.createInsecure());
    const services = this.#services();
    const report = (what: string, { topic, partition, epoch, revision }: LeaseAssignment): number =>
      this.reports.push(`${what} ${topic}/${partition}@${epoch} r${revision}`);
    this.ownership = new Ownership({
      ...services,
      endpoint: () => 'here:1',
      hasMeta: () => true,
      catalog: new Catalog(this.#client, systemClock),
      opener: new PartitionOpener({ engine: () => Promise.resolve(this.engine) }, services, 1),
      reports: {
        ready: (assignments) => {
          assignments.forEach((assignment) => report('ready', assignment));
        },
        released: (assignment) => report('released', assignment),
        epochTooLow: (assignment) => report('epochTooLow', assignment),
      },
    });
  }

  /** Lets it own the only partition of `orders`, which has a group `a`. */
  async servesOrders(): Promise<Partition> {
    this.meta.addTopic('orders');
    this.meta.setGroup('orders', 'a');
    this.change({ opened: [this.assignment('orders', 1)] });
    await this.reported('ready orders/0@1 r2');
    return this.ownership.topic('orders')!.served(0)!;
  }

  async stop(): Promise<void> {
    await this.ownership.drain(1_000);
    await this.#tasks.settled();
    await this.engine.close();
    this.#client.close();
    this.meta.stop();
    this.#directory.remove();
    expect(this.fatal).toEqual([]);
  }

  assignment(topic: string, epoch: number, fields: Partial<LeaseAssignment> = {}): LeaseAssignment {
    const revision = this.meta.catalog.revision(topic);
    return { topic, partition: 0, epoch, endpoint: '', revision, created: false, dataSource: '', ...fields };
  }

  change(change: Partial<LeaseChange>): void {
    this.ownership.changed({ opened: [], closed: [], updated: [], expired: false, ...change });
  }

  async reported(line: string): Promise<void> {
    await eventually(() => {
      expect(this.reports).toContain(line);
    });
  }

  /** Runs `during` while calls that `matches` are held up, once one is. */
  async while(matches: (op: string) => boolean, begin: () => void, during: () => Promise<void> | void): Promise<void> {
    let held = false;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.engine.before = async ({ op }) => {
      if (matches(op)) {
        held = true;
        await released;
      }
    };
    begin();
    await eventually(() => held);
    try {
      await during();
    } finally {
      this.engine.before = () => Promise.resolve();
      release();
    }
  }

  #services(): PartitionServices {
    return {
      ...{ clock: systemClock, timers: systemTimers, random: systemRandom, tasks: this.#tasks },
      logger: createLogger({ component: 'broker', level: 'fatal' }),
      tailCache: new TailCache(CACHE_BYTES),
      pages: new PageCache({ bytesMax: CACHE_BYTES, keyHash: keyHashOfRecord }),
      appendBudget: new ByteBudget(CACHE_BYTES),
      inFlight: new InFlightPool(1_000),
      counters: createCounters(createMetrics('broker')),
      turns: new Turns(systemClock),
      nextSubscriptionId: () => 1,
      isLeased: () => true,
    };
  }
}
