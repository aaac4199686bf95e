import { type HermesError } from '@hermes/contracts';
import { systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { Channels } from './channels.js';
import { type Environment } from './environment.js';
import { PendingMessage, type PublishOutcome } from './pending-message.js';
import { Publisher } from './publisher.js';
import { RouteTable } from './route-table.js';
import { routerOf } from './router.js';

const MINUTE_MS = 60_000;

describe('Publisher', () => {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const environment: Environment = { clock, timers, random: systemRandom };
  let channels: Channels;
  let publisher: Publisher;

  beforeEach(() => {
    channels = new Channels({ id: 'test', version: '0' }, environment);
    publisher = new Publisher({ router: routerOf(new RouteTable()), channels, environment }, 10);
  });

  afterEach(() => {
    publisher.close();
    channels.close();
  });

  const codeOf = (outcome: PublishOutcome | undefined): string | undefined =>
    (outcome as HermesError | undefined)?.code;

  it('keeps a queue as long as somebody waits for room in it', async () => {
    publisher.queue('orders', 0).budget.tryTake(10);
    const queue = publisher.queue('orders', 1);
    const room = queue.budget.take(5, { deadlineAtMs: clock.monotonicMs() + 60 * MINUTE_MS }, environment);
    timers.advance(30 * MINUTE_MS);
    publisher.queue('orders', 0).budget.give(10);
    await room;
    let outcome: PublishOutcome | undefined;
    queue.push(new PendingMessage(Buffer.alloc(5), Infinity, (settled) => (outcome = settled)));
    expect(outcome).toBeUndefined();
  });

  it('refuses what comes once it is closed', () => {
    publisher.close();
    let outcome: PublishOutcome | undefined;
    publisher.queue('orders', 0).push(new PendingMessage(Buffer.alloc(5), Infinity, (settled) => (outcome = settled)));
    expect(codeOf(outcome)).toBe('DRAINING');
  });
});
