import { Metadata } from '@grpc/grpc-js';
import { type ClusterSubscription, type Environment, InFlight, type SubscriptionEvents } from '@hermes/client/cluster';
import {
  HermesError,
  LIMITS,
  Outcome,
  type RawAckEntry,
  type RawDelivery,
  type RawSubscribeResponse,
  RECEIPT_BYTES,
  SubscribeAccepted,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { createDeferred, type Deferred, systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { Subscriber } from './subscriber.js';

/** A peer that reads, or does not. */
class Peer implements ResponseStream<RawSubscribeResponse> {
  readonly method = 'Subscribe';
  readonly metadata = new Metadata();
  readonly peer = 'peer';
  readonly deadlineMs = Infinity;
  readonly bufferedBytes = 0;
  readonly frames: RawSubscribeResponse['frame'][] = [];
  readonly abort = new AbortController();
  reads = true;
  #room: Deferred<void> = createDeferred();

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get kinds(): (string | undefined)[] {
    return this.frames.map((frame) => frame?.$case);
  }

  write({ frame }: RawSubscribeResponse): boolean {
    this.frames.push(frame);
    return this.reads;
  }

  drained(): Promise<void> {
    return this.#room.promise;
  }

  read(): void {
    this.reads = true;
    this.#room.resolve();
  }
}

const GONE = new Error('gone');
const receiptOf = (partition: number, batch: number): Buffer => {
  const receipt = Buffer.alloc(RECEIPT_BYTES, batch);
  receipt.writeUInt16BE(partition);
  return receipt;
};
const REQUEST = { topic: 't', group: 'g', consumer: 'c', maxInFlightMessages: 10, maxInFlightBytes: 1_000 };
const codeOf = (call: Promise<never>): Promise<unknown> =>
  call.catch((error: unknown) => (error instanceof HermesError ? error.code : error));

class Setup {
  readonly clock = new FakeClock();
  readonly timers = new FakeTimers(this.clock);
  readonly calls: unknown[] = [];
  readonly peer = new Peer();
  readonly onEnded = jest.fn();
  readonly subscriber: Subscriber;
  readonly ended: Promise<unknown>;
  readonly inFlight = new InFlight();
  owners!: SubscriptionEvents;

  constructor() {
    const { clock, timers, calls, onEnded, inFlight } = this;
    const environment: Environment = { clock, timers, random: systemRandom };
    const subscription: Partial<ClusterSubscription> = {
      inFlight,
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
      settled: (receipt) => {
        inFlight.settled(receipt);
      },
      close: () => calls.push('close'),
      hold: () => calls.push('hold'),
      reopen: (_, missed) => calls.push(missed),
    };
    const subscribe = (events: SubscriptionEvents): ClusterSubscription => {
      this.owners = events;
      return subscription as ClusterSubscription;
    };
    const settle = (entries: readonly RawAckEntry[]): Promise<void> => {
      calls.push(...entries.map(({ receipt, outcome }) => [Outcome[outcome], Buffer.from(receipt)]));
      return Promise.resolve();
    };
    this.subscriber = new Subscriber({ request: REQUEST, subscribe, settle, environment, onEnded });
    this.ended = codeOf(this.subscriber.run(this.peer));
  }

  /** Owners accept, and send batches: of which stream, and their numbers there. */
  deliver(...batches: [stream: number, batch: number][]): void {
    for (const [stream, batch] of batches) {
      const delivery = { partition: stream, receipt: receiptOf(stream, batch) } as unknown as RawDelivery;
      this.inFlight.delivered([delivery]);
      this.owners.deliveries([delivery], { stream, batch });
    }
  }
}

function accepted(): Setup {
  const setup = new Setup();
  setup.owners.accepted(SubscribeAccepted.create());
  return setup;
}

const subscriptionIdOf = ({ frames: [frame] }: Peer): Uint8Array =>
  frame?.$case === 'accepted' ? frame.value.subscriptionId : new Uint8Array(0);

describe('Subscriber', () => {
  it('sends a heartbeat after 5 s without a frame, for as long as nothing comes', () => {
    const { timers, peer } = accepted();
    timers.advance(LIMITS.heartbeatMs);
    timers.advance(LIMITS.heartbeatMs);
    expect(peer.kinds).toEqual(['accepted', 'heartbeat', 'heartbeat']);
  });

  it('takes nothing from the owners while the peer does not read', async () => {
    const setup = accepted();
    setup.calls.length = 0;
    setup.peer.reads = false;
    setup.deliver([1, 1]);
    expect(setup.calls).toEqual(['pause']);
    setup.peer.read();
    await Promise.resolve();
    expect(setup.calls).toEqual(['pause', 'resume']);
  });

  it('ends with SLOW_CONSUMER when nothing was read for 60 s', async () => {
    const setup = accepted();
    setup.peer.reads = false;
    setup.deliver([1, 1]);
    setup.timers.advance(LIMITS.slowConsumerMs);
    expect(await setup.ended).toBe('SLOW_CONSUMER');
    expect(setup.peer.kinds).toEqual(['accepted', 'batch']);
    expect(setup.calls.at(-1)).toBe('close');
  });

  it('ends with PARTITION_MOVING when no owner accepts in time', async () => {
    const { timers, ended, calls } = new Setup();
    timers.advance(10_000);
    expect(await ended).toBe('PARTITION_MOVING');
    expect(calls).toEqual(['close']);
  });

  it('closes the subscription when the peer leaves before it is accepted', async () => {
    const { peer, ended, calls } = new Setup();
    peer.abort.abort(GONE);
    expect(await ended).toBe(GONE);
    expect(calls).toEqual(['close']);
  });

  it('waits 2 s for a peer that is gone', async () => {
    const setup = accepted();
    const { peer, ended, calls, timers, subscriber, onEnded } = setup;
    setup.deliver([1, 1]);
    peer.abort.abort(GONE);
    expect(await ended).toBe(GONE);
    expect([calls.at(-1), subscriber.isConnected]).toEqual(['hold', false]);
    timers.advance(LIMITS.resumeMs - 1);
    expect(onEnded).not.toHaveBeenCalled();
    timers.advance(1);
    expect(calls.at(-1)).toBe('close');
    expect(onEnded).toHaveBeenCalledTimes(1);
    expect(timers.size).toBe(0);
  });

  it('is resumed: each owner is told what the peer has missed of it, and numbers go on', () => {
    const setup = accepted();
    const { subscriber, calls, peer } = setup;
    setup.deliver([1, 1], [2, 1], [1, 2], [1, 3], [2, 2]);
    peer.abort.abort(GONE);
    expect(subscriber.isNamed(subscriptionIdOf(peer))).toBe(true);
    const again = new Peer();
    void codeOf(subscriber.resume(again, 2, REQUEST));
    const missed = new Map([
      [1, 2],
      [2, 2],
    ]);
    expect(calls.at(-1)).toEqual(missed);
    setup.deliver([1, 2]);
    expect(again.frames).toMatchObject([
      { $case: 'accepted', value: { resumed: true, subscriptionId: subscriptionIdOf(peer) } },
      { $case: 'batch', value: { sequence: 3 } },
    ]);
    setup.timers.advance(LIMITS.resumeMs);
    expect(calls).not.toContain('close');
  });

  it('is taken over by another stream of the peer, but not with batches that were never sent', async () => {
    const setup = accepted();
    setup.deliver([1, 1]);
    expect(() => setup.subscriber.resume(new Peer(), 2, REQUEST)).toThrow('at most 1');
    expect(setup.subscriber.isConnected).toBe(true);
    void codeOf(setup.subscriber.resume(new Peer(), 1, REQUEST));
    expect(await setup.ended).toBe('FENCED');
  });

  it('does not wait for a peer that held nothing', async () => {
    const setup = accepted();
    setup.deliver([1, 1]);
    setup.subscriber.settled(receiptOf(1, 1));
    setup.peer.abort.abort(GONE);
    expect(await setup.ended).toBe(GONE);
    expect(setup.calls.at(-1)).toBe('close');
    expect(setup.timers.size).toBe(0);
  });

  it('gives back what is in flight when it is drained, connected or not', async () => {
    const setup = accepted();
    setup.deliver([1, 1], [2, 1]);
    setup.subscriber.settled(receiptOf(1, 1));
    await setup.subscriber.drain(1_000);
    expect(await setup.ended).toBe('DRAINING');
    expect(setup.peer.kinds).toEqual(['accepted', 'batch', 'batch', 'draining']);
    expect(setup.calls.slice(-3)).toEqual(['hold', ['RETURN', receiptOf(2, 1)], 'close']);
    const held = accepted();
    held.deliver([1, 1]);
    held.peer.abort.abort(GONE);
    await held.subscriber.drain(1_000);
    expect(held.onEnded).toHaveBeenCalledTimes(1);
  });
});
