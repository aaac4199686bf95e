import { HermesError, LIMITS, SubscribeResponse } from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { type Attachment, Subscription } from './subscription.js';

/** A stream that takes so many frames, and more when told. */
class Stream {
  readonly frames: (string | undefined)[] = [];
  readonly abort = new AbortController();
  room = Number.POSITIVE_INFINITY;
  drain: () => void = () => undefined;
  readonly signal = this.abort.signal;

  write(bytes: Buffer): boolean {
    this.frames.push(SubscribeResponse.decode(bytes).frame?.$case);
    this.room -= 1;
    return this.room > 0;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.drain = resolve;
    });
  }
}

class Part implements Attachment {
  readonly states: boolean[] = [];
  freed = 0;
  detached = 0;
  retired = 0;
  writable(isWritable: boolean): void {
    this.states.push(isWritable);
  }
  creditFreed(): void {
    this.freed += 1;
  }
  detach(): void {
    this.detached += 1;
  }
  retire(): void {
    this.retired += 1;
  }
}

function setup() {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const stream = new Stream();
  const subscription = new Subscription({
    ...{ id: 1, consumer: 'c', clock, timers },
    stream: stream as unknown as ResponseStream<Buffer>,
  });
  const part = new Part();
  subscription.attach(3, part);
  const ended = subscription.run(accepted).catch((error: unknown) => error);
  return { timers, stream, subscription, part, ended };
}

const accepted = SubscribeResponse.fromPartial({
  frame: { $case: 'accepted', value: { partitions: [3] } },
} as never);

test('nothing is taken before accepted is out, and a heartbeat follows 5 s of silence', () => {
  const { timers, stream, part } = setup();
  expect(part.states).toEqual([false, true]);
  timers.advance(LIMITS.heartbeatMs - 1);
  expect(stream.frames).toEqual(['accepted']);
  timers.advance(1);
  timers.advance(LIMITS.heartbeatMs);
  expect(stream.frames).toEqual(['accepted', 'heartbeat', 'heartbeat']);
});

test('a full stream takes nothing until it drains', async () => {
  const { stream, subscription, part } = setup();
  stream.room = 1;
  subscription.send(Buffer.alloc(0));
  expect(part.states.at(-1)).toBe(false);
  stream.room = 10;
  stream.drain();
  await Promise.resolve();
  expect(part.states.at(-1)).toBe(true);
});

test('a subscriber that reads nothing for 60 s ends with SLOW_CONSUMER', async () => {
  const { timers, stream, subscription, part, ended } = setup();
  stream.room = 1;
  subscription.send(Buffer.alloc(0));
  timers.advance(LIMITS.slowConsumerMs);
  expect(await ended).toMatchObject({ code: 'SLOW_CONSUMER' });
  expect(part.detached).toBe(1);
});

test('one partition of several leaves with a draining frame, the last one ends the stream', async () => {
  const { stream, subscription, part, ended } = setup();
  const other = new Part();
  subscription.attach(4, other);
  const error = new HermesError('DRAINING', 'moving');
  subscription.lose(3, part, error);
  expect(subscription.partitions).toEqual([4]);
  expect([part.freed, other.freed]).toEqual([0, 1]);
  subscription.creditFreed(part);
  expect(other.freed).toBe(2);
  subscription.lose(4, other, error);
  expect(await ended).toBe(error);
  expect(stream.frames).toEqual(['accepted', 'draining', 'draining']);
});

test('one that lost all its partitions before it runs leaves no timer behind', async () => {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const stream = new Stream() as unknown as ResponseStream<Buffer>;
  const subscription = new Subscription({ ...{ id: 1, consumer: 'c', clock, timers }, stream });
  const error = new HermesError('STORAGE_FULL', 'its claim could not be stored');
  const part = new Part();
  subscription.attach(3, part);
  subscription.lose(3, part, error);
  expect(await subscription.run(accepted).catch((reason: unknown) => reason)).toBe(error);
  expect(timers.size).toBe(0);
});

test('the end of the call ends the subscription', async () => {
  const { stream, part, ended } = setup();
  const reason = new Error('gone');
  stream.abort.abort(reason);
  expect(await ended).toBe(reason);
  expect(part.detached).toBe(1);
});
