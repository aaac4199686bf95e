import { DEAD_LETTER_CAUSE } from '@hermes/delivery';
import type { PartitionStore } from '@hermes/log';
import { eventually, sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';

import type { KafkaEngine } from '../../src/index.js';
import { AttachedFixture, batch, bodies, EVERYTHING, laneOf, TOPIC_ID } from './attached-fixture.js';

jest.setTimeout(30_000);

const RECOVERY = { deadlineMs: 20_000 };
const GROUP = { groupId: 3, lane: 0 };

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

let fixture: AttachedFixture;
beforeEach(async () => {
  fixture = await AttachedFixture.make();
});
afterEach(() => fixture.dispose());

/** What Kafka's retention does, at once. */
function dropBelow(offset: number, topic = fixture.topic): Promise<void> {
  return fixture.admin(async (admin) => {
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  });
}

async function produceTen(): Promise<void> {
  await fixture.create();
  await fixture.produce(Array.from({ length: 10 }, (_, offset) => ({ value: `m${offset}` })));
}

const entry = (offset: number) => ({
  ...{ lane: 0, offset, attempts: 1, strikes: 0, keyHash: 0, reason: 'no', generation: 0, dueAtMs: 0 },
  ...{ cause: DEAD_LETTER_CAUSE.attempts, diedAtMs: 0 },
});

describe('what Kafka drops of an attached topic', () => {
  it('is known though nobody reads, and the log begins above it', async () => {
    await produceTen();
    const log = laneOf(await fixture.attached());
    expect(log.lostBelow).toBe(0);
    await dropBelow(6);
    await eventually(() => {
      expect([log.firstOffset, log.lostBelow, log.nextOffset]).toEqual([6, 6, 10]);
    }, RECOVERY);
    await expect(log.read(5, EVERYTHING)).rejects.toMatchObject({ kind: 'outOfRange', details: { earliest: 6 } });
    expect(await bodies(log, 6)).toEqual(['m6', 'm7', 'm8', 'm9']);
    expect(await log.offsetAt(0)).toBe(6);
  });

  it('is known to whoever reads it next', async () => {
    await produceTen();
    const log = laneOf(await fixture.attached());
    await dropBelow(10);
    await expect(log.read(0, EVERYTHING)).rejects.toMatchObject({ kind: 'outOfRange' });
    expect([log.firstOffset, log.lostBelow, log.nextOffset]).toEqual([10, 10, 10]);
    await fixture.produce([{ value: 'next' }]);
    await log.findEnd?.();
    expect(await bodies(log, 10)).toEqual(['next']);
  });

  it('is known, too, if it was dropped while nobody had the partition', async () => {
    await produceTen();
    await (await fixture.attached()).close();
    await dropBelow(6);
    const log = laneOf(await fixture.attached());
    expect([log.firstOffset, log.lostBelow]).toEqual([6, 6]);
  });

  it('is kept by the retries that have it, and by the dead letters that these become', async () => {
    await produceTen();
    const { groupState } = await fixture.attached();
    const { groupId, lane } = GROUP;
    const settled = [{ from: 1, to: 4 }];
    await groupState.commit([
      { kind: 'created', groupId, lanes: [{ lane, floor: 0, settled }] },
      { kind: 'retry', groupId, entry: entry(1) },
      { kind: 'retry', groupId, entry: entry(2) },
    ]);
    await dropBelow(6);
    // The third one dies untried: nothing has its record any more.
    const changes = [2, 3].flatMap((offset) => [
      { kind: 'deadLetter' as const, groupId, entry: entry(offset) },
      { kind: 'retryDone' as const, groupId, lane, offset },
    ]);
    expect(await groupState.commit(changes)).toEqual({ kind: 'committed' });
    expect(await groupState.retryRecord(groupId, lane, 1)).toBeDefined();
    const from = { lane, offset: 0, generation: 0 };
    const letters = await groupState.deadLetters(groupId, { from, maxRecords: 10, maxBytes: 1_000 });
    expect(letters.map(({ offset }) => offset)).toEqual([2]);
    expect(Buffer.from(letters[0]!.record).toString()).toContain('m2');
  });
});

describe('a topic of Hermes’ own', () => {
  async function opened(engine: KafkaEngine, epoch: number): Promise<PartitionStore> {
    const outcome = await engine.openPartition({
      ...{ topicId: TOPIC_ID, partition: 0, epoch, incarnation: 1, lanes: 1, created: epoch > 1 },
      shape: { partitions: 1 },
    });
    return (outcome as Extract<typeof outcome, { kind: 'opened' }>).store;
  }

  it('has lost what Kafka drops by a retention that somebody has set, and not what was truncated', async () => {
    const log = laneOf(await opened(fixture.engine, 1));
    const first = log.nextOffset;
    await log.append(batch(Array.from({ length: 10 }, () => ({ key: 'k' }))));
    await log.truncateBefore(first + 3);
    expect([log.firstOffset, log.lostBelow]).toEqual([first + 3, 0]);
    await dropBelow(first + 6, `${fixture.topic}.${TOPIC_ID}.0`);
    await eventually(() => {
      expect([log.firstOffset, log.lostBelow]).toEqual([first + 6, first + 6]);
    }, RECOVERY);
  });

  it('is truncated, too, by an owner that was connected before the topic was made', async () => {
    const engine = await fixture.connect();
    const store = await opened(fixture.engine, 1);
    await laneOf(store).append(batch(Array.from({ length: 10 }, () => ({ key: 'k' }))));
    await store.close();
    const log = laneOf(await opened(engine, 2));
    expect(await log.truncateBefore(4)).toEqual({ kind: 'truncated', firstOffset: 4 });
    await engine.close();
  });
});
