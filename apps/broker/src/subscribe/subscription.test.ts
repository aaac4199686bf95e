import { HermesError, LIMITS, SubscribeAccepted, SubscribeResponse } from '@hermes/contracts';
import { type ControlResponse, type ResponseStream } from '@hermes/kit';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { type Attachment, HOLD_MS, Subscription } from './subscription.js';

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

/** A partition that notes what it is told. */
class Part implements Attachment {
  readonly told: string[] = [];
  writable(isWritable: boolean): void {
    this.told.push(isWritable ? 'writable' : 'full');
  }
  creditFreed(): void {
    this.told.push('freed');
  }
  hold(): void {
    this.told.push('hold');
  }
  resume({ lostFrom }: { readonly lostFrom: number }): void {
    this.told.push(`resume from ${lostFrom}`);
  }
  release(): void {
    this.told.push('release');
  }
  lose(): void {
    this.told.push('lose');
  }
  retire(): void {
    this.told.push('retire');
  }
  /** What it was told since it was asked last. */
  news(): string[] {
    return this.told.splice(0);
  }
}

const ACCEPTED: ControlResponse = { frame: { $case: 'accepted', value: SubscribeAccepted.create() } };
const CREDIT = { messages: 10, bytes: 1_000 };
const GONE = new Error('gone');

class Setup {
  readonly clock = new FakeClock();
  readonly timers = new FakeTimers(this.clock);
  readonly part = new Part();
  readonly onEnded = jest.fn();
  readonly subscription: Subscription;

  constructor(isResumable = true) {
    const { clock, timers, onEnded } = this;
    this.subscription = new Subscription({
      ...{ id: 1, name: isResumable ? 'a0ff' : '', consumer: 'c', credit: CREDIT, clock, timers, onEnded },
    });
    this.subscription.attach(3, this.part);
  }

  run(): { stream: Stream; ended: Promise<unknown> } {
    const stream = new Stream();
    const call = this.subscription.connect(stream as unknown as ResponseStream<Buffer>);
    const ended = call.over.catch((error: unknown) => error);
    call.start(ACCEPTED);
    return { stream, ended };
  }
}

function running(isResumable = true) {
  const setup = new Setup(isResumable);
  return Object.assign(setup, setup.run());
}

describe('a stream', () => {
  test('takes nothing before accepted is out, and a heartbeat follows 5 s of silence', () => {
    const { timers, stream, part } = running();
    expect(part.news()).toEqual(['full', 'writable']);
    timers.advance(LIMITS.heartbeatMs - 1);
    expect(stream.frames).toEqual(['accepted']);
    timers.advance(1);
    timers.advance(LIMITS.heartbeatMs);
    expect(stream.frames).toEqual(['accepted', 'heartbeat', 'heartbeat']);
  });

  test('that is full takes nothing until it drains', async () => {
    const { stream, subscription, part } = running();
    stream.room = 1;
    subscription.send(Buffer.alloc(0));
    expect(part.news().at(-1)).toBe('full');
    stream.room = 10;
    stream.drain();
    await Promise.resolve();
    expect(part.news()).toEqual(['writable']);
  });

  test('of which nothing is read for 60 s ends with SLOW_CONSUMER, and its consumer is lost', async () => {
    const { timers, stream, subscription, part, ended, onEnded } = running();
    stream.room = 1;
    subscription.send(Buffer.alloc(0));
    timers.advance(LIMITS.slowConsumerMs);
    expect(await ended).toMatchObject({ code: 'SLOW_CONSUMER' });
    expect(part.news().at(-1)).toBe('lose');
    expect(onEnded).toHaveBeenCalledTimes(1);
    expect(timers.size).toBe(0);
  });

  test('one partition of several leaves with a draining frame, the last one ends the stream', async () => {
    const { stream, subscription, part, ended } = running();
    const other = new Part();
    subscription.attach(4, other);
    const error = new HermesError('DRAINING', 'moving');
    subscription.leave(3, part, error);
    expect(subscription.partitions).toEqual([4]);
    subscription.leave(4, other, error);
    expect(await ended).toBe(error);
    expect(stream.frames).toEqual(['accepted', 'draining', 'draining']);
  });

  test('that lost all its partitions before it runs leaves no timer behind', async () => {
    const setup = new Setup();
    const call = setup.subscription.connect(new Stream() as unknown as ResponseStream<Buffer>);
    const error = new HermesError('STORAGE_FULL', 'its claim could not be stored');
    setup.subscription.leave(3, setup.part, error);
    call.start(ACCEPTED);
    expect(await call.over.catch((reason: unknown) => reason)).toBe(error);
    expect(setup.timers.size).toBe(0);
  });
});

test('all partitions are told of credit that came back once one was refused', () => {
  const { subscription, part } = running();
  const other = new Part();
  subscription.attach(4, other);
  subscription.credit.take(1_000);
  part.news();
  expect(subscription.credit.fits(1)).toBe(false);
  subscription.credit.giveBack(1_000);
  expect([part.news(), other.news().at(-1)]).toEqual([['freed'], 'freed']);
});

describe('when the caller has gone', () => {
  test('what is in flight is kept for a while, then the consumer is lost', async () => {
    const { stream, timers, part, ended, onEnded } = running();
    part.news();
    stream.abort.abort(GONE);
    expect(await ended).toBe(GONE);
    expect(part.news()).toEqual(['hold']);
    timers.advance(HOLD_MS - 1);
    expect(onEnded).not.toHaveBeenCalled();
    timers.advance(1);
    expect(part.news()).toEqual(['lose']);
    expect(onEnded).toHaveBeenCalledTimes(1);
  });

  test('a pull is over, and nobody is to blame', async () => {
    const { stream, part, ended, timers } = running(false);
    stream.abort.abort(GONE);
    expect(await ended).toBe(GONE);
    expect(part.news().at(-1)).toBe('release');
    expect(timers.size).toBe(0);
  });

  test('it comes back: what it wants again it gets from where it lost it, the rest is released', () => {
    const setup = running();
    const { subscription, part, stream, timers } = setup;
    const other = new Part();
    subscription.attach(4, other);
    expect([5, 6, 9].map((no) => subscription.nextBatch(3, no))).toEqual([1, 2, 3]);
    stream.abort.abort(GONE);
    part.news();
    const again = new Stream();
    const call = subscription.connect(again as unknown as ResponseStream<Buffer>);
    subscription.resume(1, { partitions: new Set([3]), credit: CREDIT, ackDeadlineMs: 1 });
    expect([part.news(), other.news().at(-1)]).toEqual([['resume from 6'], 'release']);
    call.start(ACCEPTED);
    expect(part.news()).toEqual(['writable']);
    expect(subscription.nextBatch(3, 6)).toBe(2);
    timers.advance(HOLD_MS);
    expect(subscription.partitions).toEqual([3]);
  });

  test('a new stream takes over one that is still open', async () => {
    const { subscription, part, ended } = running();
    part.news();
    subscription.connect(new Stream() as unknown as ResponseStream<Buffer>);
    expect(await ended).toMatchObject({ code: 'FENCED' });
    expect(part.news()).toEqual(['hold']);
  });

  test('it may go again before it has begun', async () => {
    const { subscription, stream, part, timers } = running();
    stream.abort.abort(GONE);
    timers.advance(HOLD_MS - 1);
    const second = new Stream();
    const call = subscription.connect(second as unknown as ResponseStream<Buffer>);
    second.abort.abort(GONE);
    call.start(ACCEPTED);
    expect(await call.over.catch((error: unknown) => error)).toBe(GONE);
    timers.advance(HOLD_MS - 1);
    expect(part.news()).not.toContain('lose');
    timers.advance(1);
    expect(part.news()).toContain('lose');
  });
});
