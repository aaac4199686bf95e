import { TaskGroup } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import type { FetchedPartition } from 'kafkajs/src/cluster/index.js';

import { FeedFetcher, type FeedFetcherOptions, type FollowedLane } from './feed-fetcher.js';
import type { FetchRequest, KafkaPlace } from './kafka-cluster.js';

const LEADER = 1;

class FakeLane implements FollowedLane {
  readonly wantsRecords = true;
  readonly place: KafkaPlace;
  readonly failures: unknown[] = [];
  fetches = 0;
  take: () => void = () => undefined;

  constructor(topic: string) {
    this.place = { topic, partition: 0 };
  }

  nextPosition(): number {
    return this.fetches;
  }

  fetched(): void {
    this.take();
    this.fetches += 1;
  }

  failed(error: unknown): Promise<void> {
    this.failures.push(error);
    return Promise.resolve();
  }
}

/** A broker that has something for each lane after a while, or fails as `fail` does. */
function make(fail: (topics: readonly string[]) => void = () => undefined) {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const reported: unknown[] = [];
  const cluster: FeedFetcherOptions['cluster'] = {
    leaderOf: () => LEADER,
    problemOf: () => undefined,
    refresh: () => Promise.resolve(),
    fetch: async (_, requests) => {
      fail(requests.map(({ topic }) => topic));
      await new Promise<void>((resolve) => timers.after(100, resolve));
      return new Map<FetchRequest, FetchedPartition>(requests.map((request) => [request, {} as FetchedPartition]));
    },
  };
  const onFailure = (error: unknown): void => void reported.push(error);
  const fetcher = new FeedFetcher({
    cluster,
    clock,
    timers,
    tasks: new TaskGroup((_, error) => reported.push(error)),
    onFailure,
  });
  return { timers, reported, fetcher };
}

function throwing(error: Error): never {
  throw error;
}

describe('FeedFetcher', () => {
  const bug = new TypeError('a bug');

  it('reports an error that is none of Kafka’s, and follows the lane on', async () => {
    let isBroken = true;
    const { timers, reported, fetcher } = make(() => isBroken && throwing(bug));
    const lane = new FakeLane('a');
    fetcher.add(lane);
    await timers.advanceAsync(150);
    expect([reported, lane.failures, lane.fetches]).toEqual([[bug], [bug], 0]);
    isBroken = false;
    await timers.advanceAsync(1_000);
    expect(lane.fetches).toBeGreaterThan(1);
    expect(reported).toEqual([bug]);
    fetcher.close();
  });

  it('leaves a lane alone for a while whose answer cannot be read, and longer each time; the others go on', async () => {
    let isBroken = true;
    const { timers, reported, fetcher } = make((topics) => isBroken && topics.includes('bad') && throwing(bug));
    const [bad, good] = [new FakeLane('bad'), new FakeLane('good')];
    fetcher.add(bad);
    fetcher.add(good);
    await timers.advanceAsync(10_000);
    expect(good.fetches).toBeGreaterThan(80);
    expect(good.failures).toEqual([]);
    expect(reported.length).toBeGreaterThan(3);
    expect(reported.length).toBeLessThan(12);
    isBroken = false;
    await timers.advanceAsync(3_000);
    expect(bad.fetches).toBeGreaterThan(1);
    fetcher.close();
  });

  it('goes on with the others when one lane cannot take what has come', async () => {
    const { timers, reported, fetcher } = make();
    const [bad, good] = [new FakeLane('bad'), new FakeLane('good')];
    bad.take = () => throwing(bug);
    fetcher.add(bad);
    fetcher.add(good);
    await timers.advanceAsync(5_000);
    expect(good.fetches).toBeGreaterThan(30);
    expect(bad.failures).toEqual(reported);
    expect(new Set(reported)).toEqual(new Set([bug]));
    bad.take = () => undefined;
    await timers.advanceAsync(3_000);
    expect(bad.fetches).toBeGreaterThan(1);
    fetcher.close();
  });

  it('says nothing of a lane’s failure that Kafka explains', async () => {
    const away = Object.assign(new Error('away'), { name: 'KafkaJSConnectionError' });
    const { timers, reported, fetcher } = make(() => throwing(away));
    const lane = new FakeLane('a');
    fetcher.add(lane);
    await timers.advanceAsync(1_000);
    expect(reported).toEqual([]);
    expect(lane.failures.length).toBeGreaterThan(1);
    expect(new Set(lane.failures)).toEqual(new Set([away]));
    fetcher.close();
  });
});
