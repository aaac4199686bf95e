import { connect, type Hermes, StorageClass } from '@hermes/client';
import { eventually, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { AckTimes } from '../harness/ack-times.js';
import { type BrokerProcess } from '../harness/cluster.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';

const MESSAGES_MIN = 50_000;
const LEASE_TTL_MS = 5_000;
const MOVE_DEADLINE_MS = 60_000;

const TOPIC = { topic: 'orders', group: 'billing' } as const;

/** Numbers of the partitions that a broker owns. */
async function ownedBy(hermes: Hermes, { name }: BrokerProcess): Promise<number[]> {
  const partitions = await placed(hermes, TOPIC.topic);
  return partitions.filter(({ broker }) => broker === name).map(({ partition }) => partition);
}

describe.each(SQL_SERVER_KINDS)('fail-over of partitions on %s', (kind) => {
  it('loses nothing and keeps order while a broker is killed, one stalls beyond its lease, and one is drained', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.start(database, { brokers: 3, leaseTtlMs: LEASE_TTL_MS });
    const { hermes, processes } = cluster;
    await using direct = await connect({ metaServers: [processes.metaEndpoint] });
    await hermes.admin.createTopic({ name: TOPIC.topic, storageClass: StorageClass.MYSQL, partitions: 8 });
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
    const ledger = new Ledger();
    const times = new AckTimes();
    const consumers = [hermes, direct].map((client, nth) =>
      startConsumer(client, ledger, { ...TOPIC, name: `c-${nth}` }),
    );
    const enough = new AbortController();
    const load = Promise.all(
      [hermes, direct].map((client, nth) =>
        publishLoad(client, ledger, {
          ...{ topic: TOPIC.topic, name: `load-${nth}`, messages: 10_000_000, keys: 100, signal: enough.signal },
          onAcknowledged: (id) => {
            times.note(id);
          },
        }),
      ),
    );
    /** Does something to a broker; the longest time that any of its partitions was not served. */
    const pauseOf = async (broker: BrokerProcess, act: () => Promise<unknown>): Promise<number> => {
      await eventually(async () => (await ownedBy(hermes, broker)).length > 0, { deadlineMs: MOVE_DEADLINE_MS });
      const owned = await ownedBy(hermes, broker);
      await eventually(() => times.allServed(owned, 0), { deadlineMs: MOVE_DEADLINE_MS });
      const sinceMs = performance.now();
      await act();
      await eventually(async () => (await ownedBy(hermes, broker)).every((number) => !owned.includes(number)), {
        deadlineMs: MOVE_DEADLINE_MS,
      });
      const movedMs = performance.now();
      await eventually(() => times.allServed(owned, movedMs), { deadlineMs: MOVE_DEADLINE_MS });
      return times.longestPauseMs(owned, sinceMs);
    };
    const [first, second, third] = processes.brokers as [BrokerProcess, BrokerProcess, BrokerProcess];

    const killed = await pauseOf(first, () => first.process.end('SIGKILL'));
    const stalled = await pauseOf(second, () => {
      second.process.signal('SIGSTOP');
      return Promise.resolve();
    });
    second.process.signal('SIGCONT');
    await eventually(async () => (await ownedBy(hermes, second)).length > 0, { deadlineMs: MOVE_DEADLINE_MS });
    const { begun } = ledger;
    const drained = await pauseOf(third, () => hermes.admin.drainBroker(third.name));
    await eventually(() => ledger.acknowledged >= MESSAGES_MIN, { deadlineMs: MOVE_DEADLINE_MS });
    enough.abort();
    await load;

    await seenAll(hermes, ledger, TOPIC.topic, TOPIC.group);
    await settledAll(hermes, TOPIC.topic, TOPIC.group);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    const pauses = Object.entries({ killed, stalled, drained }).map(([what, ms]) => `${what} ${ms.toFixed(0)} ms`);
    process.stdout.write(
      `${kind}: ${ledger.acknowledged} acknowledged, ${ledger.count('unknown')} unknown, ` +
        `${ledger.repeats(TOPIC.group)} delivered again; longest pause: ${pauses.join(', ')} (lease ${LEASE_TTL_MS} ms)\n`,
    );
    expect(ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    // Drained in order: no publish that began meanwhile was refused, or of unknown outcome.
    expect([ledger.count('unknown', begun), ledger.count('refused', begun)]).toEqual([0, 0]);
    // A killed broker is noticed by its connections; only a stalled one's lease has to end.
    expect(killed).toBeLessThan(LEASE_TTL_MS);
    expect(stalled).toBeLessThan(2 * LEASE_TTL_MS);
  });
});
