import { parseRetryPolicy } from '@hermes/client';
import { eventually } from '@hermes/testing';
import { setTimeout as sleep } from 'node:timers/promises';

import { owned } from '../harness/placed.js';
import { type ClusterOptions } from '../harness/cluster.js';
import { FalseClocks } from '../harness/false-clocks.js';
import { Moment } from '../harness/moment.js';
import { type DeliveryCluster, DeliverySuite, killed, PATIENCE } from './delivery-suite.js';

const HOUR_S = 3_600;
const WAIT_MS = 2_000;
const GROUP = 'billing';
/** After it embedded storage has looked at the wall clock again. */
const WALL_READ_MS = 10_500;

/** They share one clock. */
const EVERY_PROCESS = 'all';

/** When a consumer got what: `text#attempt`, and the time since all was published. */
type Arrivals = ReadonlyMap<string, number>;

/**
 * Delays, times of delivery, retries and times to live while the wall clock of every Hermes process steps; `own`: the store
 * has a clock of its own, so that nothing is noticed of it.
 */
export function describeClock(
  title: string,
  own: boolean,
  start: (environmentOf: NonNullable<ClusterOptions['environmentOf']>) => Promise<DeliveryCluster>,
): void {
  describe(`a wall clock that steps, on ${title}`, () => {
    let clocks: FalseClocks;
    const step = (seconds: number): void => {
      clocks.set(EVERY_PROCESS, seconds);
    };
    const suite = new DeliverySuite(() => start(() => clocks.environmentOf(EVERY_PROCESS)));
    beforeAll(async () => {
      clocks = new FalseClocks();
      await suite.start();
    }, 300_000);
    beforeEach(() => {
      step(0);
    });
    afterAll(async () => {
      await suite.stop();
      clocks[Symbol.dispose]();
    });

    /** Everything that has to do with time is under way when `disturb` is called, and more of it begins afterwards. */
    const arrivals = async (disturb: () => Promise<void>): Promise<Arrivals> => {
      const topic = await suite.topic();
      const retry = parseRetryPolicy(`3:[3,${WAIT_MS}]`);
      await suite.hermes.admin.createGroup({ topic, name: GROUP, retry });
      const times = new Map<string, number>();
      const since = new Moment();
      const consumer = suite.consume(topic, GROUP, (text, attempt) => {
        times.set(`${text}#${attempt}`, since.agoMs());
        if (text.startsWith('failing') && attempt === 1) {
          throw new Error(text);
        }
      });
      const publish = async (when: string): Promise<void> => {
        await suite.publish(topic, [`delayed ${when}`], { delayMs: WAIT_MS });
        await suite.publish(topic, [`at ${when}`], { deliverAt: new Date(Date.now() + WAIT_MS) });
        await suite.publish(topic, [`failing ${when}`, `lasting ${when}`], { ttlMs: 2 * HOUR_S * 1_000 });
        await suite.publish(topic, [`far ${when}`], { delayMs: 2 * HOUR_S * 1_000 });
      };
      await publish('before');
      await eventually(() => times.has('failing before#1'), PATIENCE);
      await disturb();
      await publish('after');
      await eventually(() => {
        expect([...times.keys()].sort()).toEqual(expect.arrayContaining(EXPECTED));
      }, PATIENCE);
      await consumer.stop();
      expect([...times.keys()].sort()).toEqual(EXPECTED);
      return times;
    };

    const expectNothingEarly = (times: Arrivals): void => {
      const waits = [...times].filter(([text]) => /^(delayed|at)/.test(text));
      expect(waits.filter(([, afterMs]) => afterMs < WAIT_MS)).toEqual([]);
      for (const when of ['before', 'after']) {
        const retriedMs = (times.get(`failing ${when}#2`) ?? 0) - (times.get(`failing ${when}#1`) ?? 0);
        expect(retriedMs).toBeGreaterThanOrEqual(WAIT_MS);
      }
    };

    if (!own) {
      test('an hour back: nothing comes early, nothing waits for an hour, and no lease is lost', async () => {
        const topic = await suite.topic();
        const before = await owned(suite.hermes, topic);
        const times = await arrivals(async () => {
          step(-HOUR_S);
          await sleep(WALL_READ_MS);
        });
        expectNothingEarly(times);
        expect(await owned(suite.hermes, topic)).toEqual(before);
      });
    }

    test('an hour back, and the broker starts again: nothing comes early, and nothing waits for an hour', async () => {
      const times = await arrivals(() => {
        step(-HOUR_S);
        return killed(suite.processes.brokers[0]!);
      });
      expectNothingEarly(times);
    });

    // A machine whose wall clock runs ahead of the monotonic one may have been suspended: its broker's lease ends (docs/leases.md).
    test(`an hour forward: ${own ? 'nothing comes early' : 'what is due by then comes'}, and it is served again at once`, async () => {
      const times = await arrivals(() => {
        step(HOUR_S);
        return Promise.resolve();
      });
      if (own) {
        expectNothingEarly(times);
      }
      const soon = await suite.topic();
      await suite.hermes.admin.createGroup({ topic: soon, name: GROUP });
      const consumer = suite.consume(soon, GROUP);
      await suite.publish(soon, ['within the hour'], { deliverAt: new Date(Date.now() + HOUR_S * 500) });
      await suite.publish(soon, ['short'], { ttlMs: HOUR_S * 500 });
      const expected = own ? ['short#1'] : ['short#1', 'within the hour#1'];
      await eventually(() => {
        expect([...consumer.seen].sort()).toEqual(expected);
      }, PATIENCE);
      await consumer.stop();
    });
  });
}

const EXPECTED = ['before', 'after']
  .flatMap((when) => [
    `delayed ${when}#1`,
    `at ${when}#1`,
    `failing ${when}#1`,
    `failing ${when}#2`,
    `lasting ${when}#1`,
  ])
  .sort();
