import {
  Credit,
  type DeliveryMode,
  GroupDispatcher,
  type GroupDispatcherOptions,
  type GroupSnapshot,
  InFlightPool,
  type RetryEntry,
  SETTLE,
  type SettleOutcome,
} from './index.js';

const at = (ms: number): { monotonicMs: number; storeMs: number } => ({ monotonicMs: ms, storeMs: ms });
const EMPTY: GroupSnapshot = {
  groupId: 1,
  consumerEpoch: 0,
  token: 0,
  generation: 0,
  lanes: [{ lane: 0, floor: 0, settled: [] }],
  retries: [],
  inFlight: [],
};

class Fixture {
  readonly dispatcher: GroupDispatcher;
  #deliveryNo = 0;

  constructor(mode: DeliveryMode, more: Partial<GroupDispatcherOptions> = {}) {
    const retry = {
      kind: 'exponential' as const,
      initialMs: 1_000,
      maxMs: 60_000,
      multiplier: 2,
      jitter: 0,
      maxAttempts: 3,
    };
    this.dispatcher = new GroupDispatcher({
      mode,
      settings: { retry, paused: false, deadLetterExpired: false },
      snapshot: EMPTY,
      redeliveredBelow: [0],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: { next: () => 0 },
      inFlight: new InFlightPool(1_000_000).share(() => undefined),
      ...more,
    });
  }

  feed(from: number, keyHashes: number[], bytes = 10): void {
    const offsets = keyHashes.map((_, index) => from + index);
    const ends = keyHashes.map((_, index) => (index + 1) * bytes);
    this.dispatcher.feed(0, { from, nextOffset: from + keyHashes.length, offsets, keyHashes, ends });
  }

  join(id: number, { epoch = 0, messages = 100, bytes = 1_000_000 } = {}): void {
    const credit = new Credit(messages, bytes);
    this.dispatcher.subscribe({ id, consumer: `c${id}`, consumerEpoch: epoch, ackDeadlineMs: 30_000, credit }, at(0));
    this.commit();
  }

  deliver(ms: number): string[] {
    return this.dispatcher
      .dispatch(at(ms))
      .flatMap(({ dispatches }) =>
        dispatches.map(({ offset, attempt, deliveryNo }) => `${offset}#${attempt}/${deliveryNo}`),
      );
  }

  settle(
    kind: 1 | 2 | 3 | 4,
    delivery: string,
    ms: number,
    more: { delayMs?: number; epoch?: number } = {},
  ): SettleOutcome {
    const [offset = 0, attempt = 0, deliveryNo = 0] = delivery.split(/[#/]/).map(Number);
    const receipt = { lane: 0, offset, attempt, deliveryNo, consumerEpoch: more.epoch ?? 0 };
    return this.dispatcher.settle({ kind, ...receipt, delayMs: more.delayMs }, at(ms));
  }

  commit(ms = 0): string[] {
    const batch = this.dispatcher.takeChanges(at(ms));
    if (batch !== undefined) {
      this.dispatcher.committed(batch.ticket);
    }
    return batch?.changes.map(({ kind }) => kind) ?? [];
  }
}

const stored = (offset: number, keyHash: number, attempts: number): RetryEntry => ({
  lane: 0,
  offset,
  dueAtMs: 0,
  attempts,
  strikes: 0,
  keyHash,
  reason: '',
  generation: 0,
});

describe('GroupDispatcher', () => {
  it('brings delays of 60 s and 3 s, set in that order, back after 3 s and after 60 s', () => {
    const group = new Fixture('shared');
    group.feed(0, [0, 0]);
    group.join(1);
    expect(group.deliver(0)).toEqual(['0#1/1', '1#1/2']);
    group.settle(SETTLE.nack, '0#1/1', 0, { delayMs: 60_000 });
    group.settle(SETTLE.nack, '1#1/2', 0, { delayMs: 3_000 });
    expect(group.commit()).toEqual(['retry', 'retry', 'cursor']);
    expect(group.deliver(2_999)).toEqual([]);
    expect(group.deliver(3_000)).toEqual(['1#2/3']);
    expect(group.deliver(59_999).filter((d) => d.startsWith('0'))).toEqual([]);
    expect(group.deliver(60_000)).toEqual(['0#2/4']);
  });

  it('makes one retry of a nack that is repeated after an unknown outcome', () => {
    const group = new Fixture('shared');
    group.feed(0, [0]);
    group.join(1);
    group.deliver(0);
    expect(group.settle(SETTLE.nack, '0#1/1', 0).kind).toBe('pending');
    expect(group.settle(SETTLE.nack, '0#1/1', 1).kind).toBe('pending');
    expect(group.commit()).toEqual(['retry', 'cursor']);
    expect(group.settle(SETTLE.nack, '0#1/1', 2)).toEqual({ kind: 'done' });
    expect(group.settle(SETTLE.ack, '0#1/1', 2)).toEqual({ kind: 'stale' });
    expect(group.commit()).toEqual([]);
  });

  it('does not let a message expire whose settle is being written', () => {
    const group = new Fixture('shared');
    group.feed(0, [0]);
    group.join(1);
    group.deliver(0);
    group.settle(SETTLE.ack, '0#1/1', 29_999);
    const batch = group.dispatcher.takeChanges(at(29_999));
    group.dispatcher.tick(at(40_000));
    group.dispatcher.committed(batch?.ticket ?? 0);
    expect(group.commit()).toEqual([]);
    expect(group.settle(SETTLE.ack, '0#1/1', 40_000)).toEqual({ kind: 'settledBefore' });
  });

  it('writes a dead letter once, with the settle of the last attempt', () => {
    const group = new Fixture('shared');
    group.feed(0, [0]);
    group.join(1);
    let now = 0;
    for (const kinds of [['retry', 'cursor'], ['retry'], ['deadLetter', 'retryDone']]) {
      const [delivery = ''] = group.deliver(now);
      group.settle(SETTLE.nack, delivery, now);
      expect(group.commit()).toEqual(kinds);
      now += 10_000;
    }
    expect(group.deliver(now)).toEqual([]);
  });

  it('keeps a key in order when a parked message is loaded before an older one that was not stored', () => {
    const group = new Fixture('keyOrdered', { snapshot: { ...EMPTY, retries: [stored(1, 7, 0)] } });
    group.join(1);
    expect(group.deliver(0)).toEqual([]);
    group.feed(0, [7, 7]);
    expect(group.deliver(0)).toEqual(['0#1/1']);
    group.settle(SETTLE.ack, '0#1/1', 0);
    expect(group.deliver(0)).toEqual([]);
    group.commit();
    expect(group.deliver(0)).toEqual(['1#1/2']);
  });

  it('delivers a loaded retry below the floor without waiting for a new record', () => {
    const lanes = [{ lane: 0, floor: 5, settled: [] }];
    const group = new Fixture('exclusive', { snapshot: { ...EMPTY, lanes, retries: [stored(2, 0, 1)] } });
    group.join(1, { epoch: 1 });
    expect(group.deliver(0)).toEqual(['2#2/1']);
  });

  it('lets nothing pass a failing message in strict order until it is dead', () => {
    const group = new Fixture('exclusive');
    group.feed(0, [0, 0, 0]);
    group.join(1, { epoch: 1 });
    expect(group.deliver(0)).toEqual(['0#1/1', '1#1/2', '2#1/3']);
    group.settle(SETTLE.nack, '0#1/1', 0, { epoch: 1 });
    expect(group.settle(SETTLE.ack, '1#1/2', 0, { epoch: 1 })).toEqual({ kind: 'stale' });
    group.commit();
    expect(group.deliver(1_000)).toEqual(['0#2/4']);
    group.settle(SETTLE.nack, '0#2/4', 1_000, { epoch: 1 });
    group.commit(1_000);
    expect(group.deliver(9_000)).toEqual(['0#3/5']);
    group.settle(SETTLE.nack, '0#3/5', 9_000, { epoch: 1 });
    expect(group.deliver(9_000)).toEqual([]);
    group.commit(9_000);
    expect(group.deliver(9_000)).toEqual(['1#1/6', '2#1/7']);
  });

  it('refuses a former holder in subscribe and settle', () => {
    const group = new Fixture('exclusive');
    group.feed(0, [0]);
    group.join(1, { epoch: 5 });
    group.deliver(0);
    group.join(2, { epoch: 6 });
    expect(group.settle(SETTLE.ack, '0#1/1', 0, { epoch: 5 })).toEqual({ kind: 'fenced', consumerEpoch: 6 });
    expect(group.dispatcher.fencingToken).toBe(2);
    expect(group.deliver(0)).toEqual(['0#1/2']);
  });

  it('gives a message above the byte credit alone, and holds nobody up for a full socket', () => {
    const group = new Fixture('shared');
    group.feed(0, [0, 0], 500);
    group.join(1, { bytes: 100 });
    expect(group.deliver(0)).toEqual(['0#1/1']);
    group.dispatcher.setWritable(1, false);
    group.join(2);
    expect(group.deliver(0)).toEqual(['1#1/2']);
  });

  it('settles thousands in random order and is left with exactly the unsettled ones', () => {
    const group = new Fixture('shared');
    group.feed(
      0,
      Array.from({ length: 4_000 }, () => 0),
    );
    group.join(1, { messages: 10_000 });
    const deliveries = [0, 1, 2, 3].flatMap(() => group.deliver(0));
    const order = [...deliveries].sort(
      (a, b) => ((Number.parseInt(a, 10) * 7_919) % 4_001) - ((Number.parseInt(b, 10) * 7_919) % 4_001),
    );
    for (const delivery of order.filter((each) => Number.parseInt(each, 10) % 10 !== 0)) {
      group.settle(SETTLE.ack, delivery, 0);
    }
    group.commit();
    expect(group.dispatcher.counts([4_000])).toEqual([
      { lane: 0, floor: 0, unsettled: 400, inFlight: 400, retrying: 0, skipped: 0 },
    ]);
  });

  it('gives room back where its settle is durable: first to who waits, then to itself', () => {
    const pool = new InFlightPool(1);
    const woken: string[] = [];
    const [one, two] = ['one', 'two'].map((name) => {
      const group = new Fixture('shared', { inFlight: pool.share(() => woken.push(name)) });
      group.feed(0, [0]);
      group.join(1);
      return group;
    }) as [Fixture, Fixture];
    expect([one.deliver(0), two.deliver(0)]).toEqual([['0#1/1'], []]);
    one.feed(1, [0]);
    one.settle(SETTLE.ack, '0#1/1', 0);
    expect([woken, pool.used]).toEqual([[], 1]);
    one.commit();
    expect([woken, one.deliver(0), two.deliver(0)]).toEqual([['two'], [], ['0#1/1']]);
  });

  it('frees room and credit when it is closed, and what was decided can still be committed', () => {
    const pool = new InFlightPool(10);
    const credit = new Credit(10, 1_000);
    const group = new Fixture('shared', { inFlight: pool.share(() => undefined) });
    group.feed(0, [0, 0, 0]);
    group.dispatcher.subscribe({ id: 1, consumer: 'c', consumerEpoch: 0, ackDeadlineMs: 1_000, credit }, at(0));
    group.deliver(0);
    group.settle(SETTLE.ack, '0#1/1', 0);
    group.settle(SETTLE.extend, '1#1/2', 0);
    expect([pool.used, credit.messages]).toEqual([3, 3]);
    group.dispatcher.close();
    expect([pool.used, credit.messages, credit.bytes, group.deliver(0)]).toEqual([0, 0, 0, []]);
    expect(group.commit()).toEqual(['cursor']);
    expect(pool.used).toBe(0);
  });

  it('gives up what the log is about to lose, fed or not, and counts what was not settled of it', () => {
    const lanes = [{ lane: 0, floor: 0, settled: [{ from: 4, to: 6 }], skipped: 5 }];
    const group = new Fixture('keyOrdered', { snapshot: { ...EMPTY, lanes, retries: [stored(4, 9, 1)] } });
    group.feed(0, [7, 7]);
    group.join(1);
    expect(group.deliver(0)).toEqual(['0#1/1']);
    expect(group.dispatcher.recordsNeeded(0, 8)).toEqual([4]);
    group.dispatcher.recordsKept(0, [4]);
    // 0 is in flight, 1 waits behind it, 2, 3, 6 and 7 were never read; 4 is a retry, 5 was settled.
    expect(group.dispatcher.skip(0, 8)).toBe(6);
    expect(group.dispatcher.skip(0, 8)).toBe(0);
    expect(group.dispatcher.wanted(at(0))).toMatchObject([{ from: 8 }]);
    const changes = group.dispatcher.takeChanges(at(0));
    expect(changes?.changes).toEqual([
      { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 8, settled: [], skipped: 11 } },
    ]);
    group.dispatcher.committed(changes?.ticket ?? 0);
    expect(group.dispatcher.lowestNeeded(0, 8)).toBeUndefined();
    expect(group.dispatcher.lowestUnsettled(0, 8)).toBe(4);
    expect(group.settle(SETTLE.nack, '0#1/1', 0)).toEqual({ kind: 'stale' });
    expect(group.deliver(0)).toEqual(['4#2/2']);
  });

  it('passes over what was given out and is lost, and counts it: the next of its key comes', () => {
    const lanes = [{ lane: 0, floor: 0, settled: [{ from: 2, to: 3 }] }];
    const group = new Fixture('keyOrdered', { snapshot: { ...EMPTY, lanes, retries: [stored(2, 9, 1)] } });
    group.feed(0, [7, 7]);
    group.join(1);
    expect(group.deliver(0)).toEqual(['0#1/1']);
    group.dispatcher.lose(0, 0);
    group.dispatcher.lose(0, 0);
    group.dispatcher.lose(0, 1);
    const changes = group.dispatcher.takeChanges(at(0));
    expect(changes?.changes).toEqual([
      { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 1, settled: [{ from: 2, to: 3 }], skipped: 1 } },
    ]);
    group.dispatcher.committed(changes?.ticket ?? 0);
    expect(group.settle(SETTLE.nack, '0#1/1', 0)).toEqual({ kind: 'stale' });
    group.feed(2, [9]);
    expect(group.deliver(0)).toEqual(['1#1/2', '2#2/3']);
    group.dispatcher.lose(0, 2);
    expect(group.commit()).toEqual(['retryDone', 'cursor']);
    expect(group.dispatcher.counts([3])).toMatchObject([{ inFlight: 1, retrying: 0, skipped: 2 }]);
  });

  it('writes what was lost at once, though nobody has settled anything', () => {
    const group = new Fixture('shared');
    expect(group.dispatcher.skip(0, 3)).toBe(3);
    expect(group.dispatcher.hasDrifted).toBe(true);
    expect(group.commit()).toEqual(['cursor']);
    expect(group.dispatcher.hasDrifted).toBe(false);
  });
});
