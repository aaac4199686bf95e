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

  beforeEach(() => {
    requests = [];
    const link: Pick<Link, 'acknowledge' | 'router'> = {
      router: { endpointOf: () => 'a:1' } as unknown as Link['router'],
      acknowledge: ({ entries }) => {
        requests.push(entries.map(({ receipt }) => Buffer.from(receipt).readUInt32BE(8)));
        return Promise.resolve(entries.map(() => ({ error: undefined })));
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

function ackOf(offset: number): RawAckEntry {
  const receipt = encodeReceipt({
    ...{ partition: 0, lane: 0, attempt: 1, offset, deliveryNumber: 1, consumerEpoch: 0 },
    tag: Buffer.alloc(16),
  });
  return { receipt, outcome: Outcome.ACK, reason: '' };
}
