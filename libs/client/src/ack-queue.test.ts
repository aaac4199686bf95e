import { encodeReceipt, HermesError, Outcome, partitionOfReceipt, type RawAckEntry, toStatus } from '@hermes/contracts';
import { systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { AckQueue } from './ack-queue.js';
import { type Link } from './cluster/link.js';

describe('AckQueue', () => {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  let requests: number[][];
  let queue: AckQueue;
  /** The partition whose owner is silent. */
  let silent: number | undefined;

  beforeEach(() => {
    requests = [];
    silent = undefined;
    const link: Pick<Link, 'acknowledge' | 'router'> = {
      router: { endpointOf: () => 'a:1' } as unknown as Link['router'],
      acknowledge: async ({ entries }, { deadlineAtMs }) => {
        requests.push(entries.map(({ receipt }) => Buffer.from(receipt).readUInt32BE(8)));
        const waitsFor = entries.map(({ receipt }) => partitionOfReceipt(receipt) === silent);
        if (waitsFor.includes(true)) {
          await new Promise<void>((resolve) => {
            timers.after(deadlineAtMs - clock.monotonicMs(), resolve);
          });
        }
        const moving = toStatus(new HermesError('PARTITION_MOVING', 'no owner'));
        return waitsFor.map((isSilent) => ({ error: isSilent ? moving : undefined }));
      },
    };
    queue = new AckQueue(
      link as Link,
      { clock, timers, random: systemRandom },
      { topic: 't', group: 'g', consumer: 'c' },
    );
  });

  const settle = (offset: number, isAwaited: boolean): void => {
    queue.settle(ackOf(offset), isAwaited, () => undefined);
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

  it('lets a silent owner hold up its own partition alone, and keeps its order', async () => {
    silent = 1;
    const answers: string[] = [];
    const settled = (offset: number, partition: number): void => {
      queue.settle(ackOf(offset, partition), true, (error) => answers.push(`${offset} ${error?.code ?? 'done'}`));
    };
    settled(1, 1);
    settled(2, 2);
    await timers.advanceAsync(0);
    settled(3, 1);
    settled(4, 2);
    await timers.advanceAsync(999);
    expect(requests).toEqual([[1, 2]]);
    await timers.advanceAsync(1);
    expect(requests).toEqual([[1, 2], [1, 3], [4]]);
    settled(5, 1);
    settled(6, 2);
    await timers.advanceAsync(0);
    expect(requests.slice(3)).toEqual([[6]]);
    expect(answers).toEqual(['2 done', '4 done', '6 done']);

    silent = undefined;
    await timers.advanceAsync(9_000);
    expect(requests.slice(4)).toEqual([[5]]);
    expect(answers.slice(3)).toEqual(['1 PARTITION_MOVING', '3 PARTITION_MOVING', '5 done']);
    settled(7, 1);
    settled(8, 2);
    await queue.settled();
    expect(requests.slice(5)).toEqual([[7, 8]]);
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
