import { type HeldPartition, type LeaseChange, LeaseHolder } from '@hermes/coordination';
import { silentLogger } from '@hermes/kit';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { DatabaseRenewal } from './database-renewal.js';

const TTL_MS = 9_000;
const held = { topic: 't', partition: 0, epoch: 1, endpoint: '', revision: 1, created: true, dataSource: '' };

/** A holder of one partition, its renewal, and a database under the test's hand. */
class World {
  readonly clock = new FakeClock();
  readonly timers = new FakeTimers(this.clock);
  readonly holder = new LeaseHolder();
  readonly closed: HeldPartition[] = [];
  readonly askedAtMs: number[] = [];
  /** What the database answers: whether the lease is ours; an error is thrown. */
  answer: boolean | Error = true;
  owned: HeldPartition[] = [held];
  expired = false;
  readonly renewal: DatabaseRenewal;

  constructor() {
    const { stream } = this.holder.register(this.now());
    const { sequence } = this.holder.heartbeat(this.now());
    this.holder.granted(
      stream,
      { ttlMs: TTL_MS, sequence: sequence ?? 0, changed: true, assignments: [held] },
      this.now(),
    );
    this.renewal = new DatabaseRenewal({
      lease: {
        renew: () => {
          this.askedAtMs.push(this.clock.monotonicMs());
          return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve(this.answer);
        },
        assignments: () => Promise.resolve(this.owned as never),
      },
      holder: this.holder,
      ttlMs: () => TTL_MS,
      onRenewed: (change: LeaseChange) => {
        this.closed.push(...change.closed);
        this.expired ||= change.expired;
      },
      now: () => this.now(),
      timers: this.timers,
      logger: silentLogger,
    });
  }

  now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.clock.monotonicMs(), wallMs: this.clock.wallMs() };
  }
}

describe('a lease that no meta-server renews', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it('is renewed at once and each third of its TTL, for as long as it takes', async () => {
    world.renewal.begin();
    world.renewal.begin();
    await world.timers.advanceAsync(5 * TTL_MS);
    expect(world.askedAtMs[0]).toBeLessThanOrEqual(100);
    expect(world.askedAtMs.length).toBeGreaterThanOrEqual(15);
    expect(world.askedAtMs.length).toBeLessThanOrEqual(16);
    expect(world.renewal.active).toBe(true);
    expect(world.holder.valid('t', 0, world.clock.monotonicMs())).toBe(true);
  });

  it('is left to a meta-server once one answers', async () => {
    world.renewal.begin();
    await world.timers.advanceAsync(1_000);
    world.renewal.end();
    await world.timers.advanceAsync(2 * TTL_MS);
    expect(world.askedAtMs).toHaveLength(1);
    expect(world.renewal.active).toBe(false);
  });

  it('closes what the database gives to nobody or to another', async () => {
    world.owned = [{ ...held, epoch: 2 }];
    world.renewal.begin();
    await world.timers.advanceAsync(500);
    expect(world.closed).toMatchObject([{ partition: 0, epoch: 1 }]);
  });

  it('runs out where the database has another process, or none, for the name', async () => {
    world.answer = false;
    world.renewal.begin();
    await world.timers.advanceAsync(TTL_MS + 500);
    expect(world.expired).toBe(true);
    expect(world.renewal.active).toBe(false);
  });

  it('survives a database that fails for less than a lease', async () => {
    world.answer = new Error('away');
    world.renewal.begin();
    await world.timers.advanceAsync(TTL_MS - 1_500);
    expect(world.askedAtMs.length).toBeGreaterThan(5);
    world.answer = true;
    await world.timers.advanceAsync(TTL_MS);
    expect(world.expired).toBe(false);
    expect(world.holder.valid('t', 0, world.clock.monotonicMs())).toBe(true);
  });

  it('that has ended is not asked for again', async () => {
    world.answer = new Error('away');
    world.renewal.begin();
    await world.timers.advanceAsync(TTL_MS + 1_000);
    const { length } = world.askedAtMs;
    world.answer = true;
    await world.timers.advanceAsync(TTL_MS);
    expect(world.expired).toBe(true);
    expect(world.askedAtMs).toHaveLength(length);
  });
});
