import { GroupMode } from '@hermes/contracts';
import { eventually as eventuallyWithin } from '@hermes/testing';

import { type FakeConsumer } from '../../test/fake-consumer.js';
import { MetaServerFixture } from '../../test/meta-server-fixture.js';

const CONSUMERS = 500;
/** That join at once; the next ones come when these have their first answer. */
const BATCH = 10;
/** Each has a fair part of the streams, as processes on some machines would. */
const CONNECTIONS = 10;
/** So long that no lease ends, however slow the machine is. */
const TTL_MS = 120_000;
const CONSUMERS_PER_PARTITION = 64;
const SEQUENCES = { join: 1, settled: 2 };

const eventually = <T>(check: () => T | Promise<T>): Promise<T> => eventuallyWithin(check, { deadlineMs: 40_000 });

const isAnswered = (consumer: FakeConsumer, sequence: number): boolean =>
  consumer.responses.some((kind) => kind.$case === 'grant' && kind.value.sequence === sequence);

const wasTold = ({ responses }: FakeConsumer): boolean =>
  responses.some((kind) => kind.$case === 'grant' && kind.value.changed);

/** Lists that were pushed, and partitions that were taken back. */
function toldTo(consumers: readonly FakeConsumer[]): { pushes: number; revokes: number } {
  const responses = consumers.flatMap((consumer) => consumer.responses);
  const pushes = responses.filter((kind) => kind.$case === 'grant' && kind.value.changed).length;
  return { pushes, revokes: responses.filter((kind) => kind.$case === 'revoke').length };
}

/** Partitions that must move if consumers come one after the other, each to an equal share. */
function movesNeeded(partitions: number): number {
  const sizeOf = (nth: number, consumers: number): number =>
    Math.floor(partitions / consumers) + Number(nth < partitions % consumers);
  let moves = 0;
  for (let present = 1; present < CONSUMERS; present += 1) {
    for (let nth = 0; nth < present; nth += 1) {
      moves += Math.max(0, sizeOf(nth, present) - sizeOf(nth, present + 1));
    }
  }
  return moves;
}

describe('500 consumers join, each on a stream of its own', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start({ brokerLeaseTtlMs: TTL_MS, consumerLeaseTtlMs: TTL_MS });
    fixture.broker({ ttlMs: TTL_MS });
  });

  afterEach(async () => {
    await fixture.stop();
  });

  async function joinAll(): Promise<FakeConsumer[]> {
    const consumers = fixture.consumersOn(CONNECTIONS, CONSUMERS);
    for (let from = 0; from < CONSUMERS; from += BATCH) {
      const batch = consumers.slice(from, from + BATCH);
      batch.forEach((consumer, i) => {
        consumer.join(1, `c-${String(from + i).padStart(3, '0')}`);
      });
      await eventuallyWithin(() => batch.every((consumer) => isAnswered(consumer, SEQUENCES.join)), { intervalMs: 1 });
    }
    return consumers;
  }

  /** Joins all, and waits until `isSettled`; says how long that took, and that nobody is told anything more. */
  async function settle(title: string, isSettled: (held: readonly number[][]) => boolean): Promise<FakeConsumer[]> {
    const startedAt = performance.now();
    const consumers = await joinAll();
    const joinedAt = performance.now();
    await eventually(() => consumers.every(wasTold) && isSettled(consumers.map((consumer) => consumer.held(1))));
    const [joinMs, settleMs] = [joinedAt - startedAt, performance.now() - joinedAt].map(Math.round);
    const { pushes, revokes } = toldTo(consumers);
    process.stdout.write(
      `${title}: 500 joined in ${joinMs} ms, settled ${settleMs} ms later; ${pushes} pushes, ${revokes} revokes\n`,
    );
    for (const consumer of consumers) {
      consumer.send({ $case: 'heartbeat', value: { sequence: SEQUENCES.settled } });
    }
    await eventually(() => consumers.every((consumer) => isAnswered(consumer, SEQUENCES.settled)));
    expect(toldTo(consumers)).toEqual({ pushes, revokes });
    return consumers;
  }

  test('EXCLUSIVE: every partition has one consumer, and no more moves than one by one would need', async () => {
    const partitions = 100;
    await fixture.createTopic('orders', partitions);
    await fixture.createGroup('orders', 'g', GroupMode.EXCLUSIVE);
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const consumers = await settle('EXCLUSIVE', (held) => {
      const owned = held.flat().sort((a, b) => a - b);
      return (
        held.every(({ length }) => length <= 1) && owned.length === partitions && owned.every((n, i) => n === all[i])
      );
    });
    const { pushes, revokes } = toldTo(consumers);
    expect(revokes).toBeLessThanOrEqual(movesNeeded(partitions));
    expect(pushes).toBeLessThanOrEqual(CONSUMERS + partitions + 2 * revokes);
  }, 90_000);

  test('SHARED: everyone ends with one partition, evenly, told at most once for each size of its share', async () => {
    const partitions = 8;
    await fixture.createTopic('orders', partitions);
    await fixture.createGroup('orders', 'g', GroupMode.SHARED);
    const consumers = await settle('SHARED', (held) => {
      const counts = Array.from({ length: partitions }, (_, n) => held.filter((some) => some.includes(n)).length);
      return held.every(({ length }) => length === 1) && Math.max(...counts) - Math.min(...counts) <= 1;
    });
    const share = (present: number): number =>
      Math.min(partitions, Math.max(1, Math.floor((CONSUMERS_PER_PARTITION * partitions) / present)));
    let sizesHad = 0;
    for (let present = 1; present <= CONSUMERS; present += 1) {
      sizesHad += 1 + share(present) - share(CONSUMERS);
    }
    const { pushes, revokes } = toldTo(consumers);
    expect(revokes).toBe(0);
    expect(pushes).toBeLessThanOrEqual(sizesHad);
  }, 90_000);
});
