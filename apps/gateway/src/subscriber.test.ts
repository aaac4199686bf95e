import { Metadata } from '@grpc/grpc-js';
import { type Environment, type Subscription } from '@hermes/client/cluster';
import { type HermesError, type RawSubscribeResponse, SubscribeAccepted } from '@hermes/contracts';
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
  readonly frames: string[] = [];
  readonly abort = new AbortController();
  reads = true;
  #room: Deferred<void> = createDeferred();

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  write({ frame }: RawSubscribeResponse): boolean {
    this.frames.push(frame?.$case ?? '');
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

describe('Subscriber', () => {
  const clock = new FakeClock();
  const environment: Environment = { clock, timers: new FakeTimers(clock), random: systemRandom };
  let peer: Peer;
  let subscriber: Subscriber;
  let calls: string[];
  let ended: Promise<unknown>;

  beforeEach(() => {
    peer = new Peer();
    calls = [];
    subscriber = new Subscriber(peer, environment);
    const subscription: Subscription = {
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
      settled: () => undefined,
      close: () => calls.push('close'),
    };
    ended = subscriber.run(subscription).catch((error: unknown) => (error as HermesError).code);
  });

  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 1_000) {
      clock.advance(1_000);
      subscriber.look(clock.monotonicMs());
    }
  };

  it('sends a heartbeat after 5 s without a frame, for as long as nothing comes', () => {
    subscriber.accepted(SubscribeAccepted.create());
    pass(60_000);
    expect(peer.frames).toEqual(['accepted', ...Array.from({ length: 12 }, () => 'heartbeat')]);
  });

  it('takes nothing from the owners while the peer does not read', async () => {
    subscriber.accepted(SubscribeAccepted.create());
    peer.reads = false;
    subscriber.deliveries([]);
    expect(calls).toEqual(['pause']);
    peer.read();
    await Promise.resolve();
    expect(calls).toEqual(['pause', 'resume']);
  });

  it('ends with SLOW_CONSUMER when nothing was read for 60 s', async () => {
    subscriber.accepted(SubscribeAccepted.create());
    peer.reads = false;
    subscriber.deliveries([]);
    pass(61_000);
    expect(await ended).toBe('SLOW_CONSUMER');
    expect(peer.frames).toEqual(['accepted', 'batch']);
    expect(calls).toEqual(['pause', 'close']);
  });

  it('ends with PARTITION_MOVING when no owner accepts in time', async () => {
    pass(11_000);
    expect(await ended).toBe('PARTITION_MOVING');
  });

  it('closes the subscription when the peer leaves', async () => {
    peer.abort.abort();
    expect(await ended).toBeUndefined();
    expect(calls).toEqual(['close']);
  });
});
