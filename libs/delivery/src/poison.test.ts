import { Credit, type Dispatch, GroupDispatcher, InFlightPool, SETTLE } from './index.js';

const at = (ms: number): { monotonicMs: number; storeMs: number } => ({ monotonicMs: ms, storeMs: ms });
const RETRY = { kind: 'fixed' as const, delayMs: 10, maxAttempts: 3 };

/** A SHARED group of one lane with these messages. */
class Group {
  readonly dead: string[] = [];
  readonly #dispatcher: GroupDispatcher;
  #deliveryNo = 0;

  constructor(messages: number) {
    this.#dispatcher = new GroupDispatcher({
      mode: 'shared',
      settings: { retry: RETRY, paused: false, deadLetterExpired: false },
      snapshot: {
        ...{ groupId: 1, consumerEpoch: 0, token: 0, generation: 0, retries: [], inFlight: [] },
        lanes: [{ lane: 0, floor: 0, settled: [] }],
      },
      redeliveredBelow: [0],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: { next: () => 0 },
      inFlight: new InFlightPool(1_000).share(() => undefined),
    });
    const offsets = Array.from({ length: messages }, (_, offset) => offset);
    const columns = { offsets, keyHashes: offsets.map(() => 0), ends: offsets.map((offset) => offset + 1) };
    this.#dispatcher.feed(0, { from: 0, nextOffset: messages, ...columns });
  }

  get unsettled(): number | undefined {
    return this.#dispatcher.counts([this.#dispatcher.wanted(at(0))[0]?.from ?? 0])[0]?.unsettled;
  }

  join(id: number, messages: number): Credit {
    const credit = new Credit(messages, 1_000);
    this.#dispatcher.subscribe({ id, consumer: `c${id}`, consumerEpoch: 0, ackDeadlineMs: 30_000, credit }, at(0));
    return credit;
  }

  leave(id: number): void {
    this.#dispatcher.unsubscribe(id, at(0));
  }

  /** Message 0 goes alone from now on. */
  suspectFirst(): void {
    for (const id of [1, 2]) {
      this.join(id, 1);
      this.deliver(id);
      this.lose(id, id);
    }
  }

  lose(id: number, ms: number): void {
    this.#dispatcher.hold(id);
    this.#dispatcher.unsubscribe(id, at(ms));
    this.commit(ms);
  }

  /** What each subscription gets now. */
  deliver(ms: number): Map<number, readonly Dispatch[]> {
    const orders = this.#dispatcher.dispatch(at(ms));
    return new Map(orders.map(({ subscriptionId, dispatches }) => [subscriptionId, dispatches]));
  }

  acknowledge({ lane, offset, attempt, deliveryNo }: Dispatch, ms: number): void {
    const receipt = { lane, offset, attempt, deliveryNo, consumerEpoch: 0 };
    expect(this.#dispatcher.settle({ kind: SETTLE.ack, ...receipt }, at(ms)).kind).toBe('pending');
  }

  commit(ms: number): void {
    const batch = this.#dispatcher.takeChanges(at(ms));
    for (const change of batch?.changes ?? []) {
      if (change.kind === 'deadLetter') {
        this.dead.push(`${change.entry.offset} after ${change.entry.attempts}: ${change.entry.reason}`);
      }
    }
    if (batch !== undefined) {
      this.#dispatcher.committed(batch.ticket);
    }
  }
}

describe('a poison message', () => {
  it('that kills each consumer which gets it becomes a dead letter, and its neighbours are all handled', () => {
    const [messages, poison] = [20, 7];
    const group = new Group(messages);
    const handled = new Set<number>();
    let consumers = 1;
    group.join(1, messages);
    for (let ms = 1; ms < 2_000 && group.unsettled !== 0; ms += 1) {
      const dispatches = group.deliver(ms).get(consumers) ?? [];
      if (dispatches.some(({ offset }) => offset === poison)) {
        group.lose(consumers, ms);
        consumers += 1;
        group.join(consumers, messages);
        continue;
      }
      for (const dispatch of dispatches) {
        expect(dispatch.attempt).toBe(1);
        group.acknowledge(dispatch, ms);
        handled.add(dispatch.offset);
      }
      group.commit(ms);
    }
    expect(group.dead).toEqual([`${poison} after 3: its consumer was lost with it alone`]);
    expect(handled.size).toBe(messages - 1);
    // Twice among others, then alone at each of its attempts.
    expect(consumers).toBe(1 + 2 + RETRY.maxAttempts);
  });

  it('gets its turn alone though the others never cease, and holds one consumer up, not all', () => {
    const group = new Group(1_000);
    group.suspectFirst();
    // Two consumers that are never idle: one is emptied for it, the other goes on.
    group.join(3, 10);
    group.join(4, 10);
    const held = new Map<number, Dispatch[]>([
      [3, []],
      [4, []],
    ]);
    let alone: number | undefined;
    for (let ms = 2; ms < 100 && alone === undefined; ms += 1) {
      for (const [id, dispatches] of group.deliver(ms)) {
        held.get(id)?.push(...dispatches);
        if (dispatches.some(({ offset }) => offset === 0)) {
          alone = id;
          expect(held.get(id)).toHaveLength(1);
        }
      }
      for (const dispatches of held.values()) {
        const [oldest] = dispatches.splice(0, ms === 2 ? 0 : 1);
        if (oldest !== undefined && alone === undefined) {
          group.acknowledge(oldest, ms);
        }
      }
      group.commit(ms);
    }
    expect(alone).toBeDefined();
    expect(held.get(alone === 3 ? 4 : 3)?.length).toBeGreaterThan(5);
  });

  it('lets go of a consumer that was emptied for it and leaves', () => {
    const group = new Group(1_000);
    group.suspectFirst();
    const credit = group.join(3, 10);
    // Its stream holds a message of another partition.
    credit.take(1);
    group.deliver(3);
    expect(credit.fits(1)).toBe(false);
    group.leave(3);
    expect(credit.fits(1)).toBe(true);
  });
});
