import { encodeReceipt, Outcome, type RawAckEntry } from '@hermes/contracts';
import { systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { AckQueue } from './ack-queue.js';
import { type Link } from './cluster/link.js';

describe('AckQueue', () => {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  let requests: number[][];
  let queue: AckQueue;
  /** Ends the wait for what has this offset. */
  let unanswered: Map<number, () => void>;

  beforeEach(() => {
    requests = [];
    unanswered = new Map();
    const link: Pick<Link, 'acknowledge' | 'router'> = {
      router: { endpointOf: () => 'a:1' } as unknown as Link['router'],
      acknowledge: async ({ entries }) => {
        const offsets = entries.map(({ receipt }) => Buffer.from(receipt).readUInt32BE(8));
        requests.push(offsets);
        for (const offset of offsets.filter((one) => unanswered.has(one))) {
          await new Promise<void>((resolve) => {
            unanswered.set(offset, resolve);
          });
        }
        return entries.map(() => ({ error: undefined }));
      },
    };
    queue = new AckQueue(
      link as Link,
      { clock, timers, random: systemRandom },
      { topic: 't', group: 'g', consumer: 'c' },
    );
  });

  const settle = (offset: number, isAwaited: boolean, partition = 0): void => {
    queue.settle(ackOf(offset, partition), isAwaited, () => undefined);
  };

  it('sends the first entry at once; what nobody waits for gathers meanwhile', async () => {
    queue.gatherMax = 10;
    settle(1, false);
    await timers.advanceAsync(0);
    settle(2, false);
    await timers.advanceAsync(15);
    settle(3, false);
    await timers.advanceAsync(4);
    expect(requests).toEqual([[1]]);
    await timers.advanceAsync(1);
    expect(requests).toEqual([[1], [2, 3]]);
  });

  it('takes what gathers along with what somebody waits for, or with too many', async () => {
    queue.gatherMax = 3;
    settle(1, false);
    await timers.advanceAsync(0);
    settle(2, false);
    settle(3, true);
    await timers.advanceAsync(0);
    [4, 5, 6].forEach((offset) => {
      settle(offset, false);
    });
    await timers.advanceAsync(0);
    expect(requests).toEqual([[1], [2, 3], [4, 5, 6]]);
  });

  it('gathers nothing unless it is allowed', async () => {
    settle(1, false);
    await timers.advanceAsync(0);
    settle(2, false);
    await timers.advanceAsync(0);
    expect(requests).toEqual([[1], [2]]);
  });

  it('lets what has no answer hold up its own partition alone', async () => {
    unanswered.set(1, () => undefined);
    settle(1, true, 1);
    await timers.advanceAsync(0);
    settle(2, true, 1);
    settle(3, true, 2);
    unanswered.set(2, () => undefined);
    await timers.advanceAsync(999);
    expect(requests).toEqual([[1]]);
    await timers.advanceAsync(1);
    expect(requests).toEqual([[1], [2], [3]]);
    settle(4, true, 1);
    settle(5, true, 2);
    await timers.advanceAsync(0);
    expect(requests).toEqual([[1], [2], [3], [5]]);

    // Once it is answered again, for a while each has its own; then they go together.
    unanswered.get(1)?.();
    unanswered.get(2)?.();
    await timers.advanceAsync(0);
    expect(requests.at(-1)).toEqual([4]);
    await timers.advanceAsync(30_000);
    settle(6, true, 1);
    settle(7, true, 2);
    await timers.advanceAsync(0);
    expect(requests.at(-1)).toEqual([6, 7]);
    await queue.settled();
    expect(timers.size).toBe(0);
  });

  it('sends what gathers when all is to be settled', async () => {
    queue.gatherMax = 10;
    settle(1, false);
    await timers.advanceAsync(0);
    settle(2, false);
    await queue.settled();
    expect(requests).toEqual([[1], [2]]);
    expect(timers.size).toBe(0);
  });
});

function ackOf(offset: number, partition = 0): RawAckEntry {
  const receipt = encodeReceipt({
    ...{ partition, lane: 0, attempt: 1, offset, deliveryNumber: 1, consumerEpoch: 0 },
    tag: Buffer.alloc(16),
  });
  return { receipt, outcome: Outcome.ACK, reason: '' };
}
