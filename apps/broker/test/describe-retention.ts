import { durationFromMs, GroupMode, Outcome } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { type BrokerFixture, message } from './broker-fixture.js';

const PATIENCE = { deadlineMs: 10_000 };
const AGE = { retentionAge: durationFromMs(1_000) };
const HARD = { ...AGE, hardRetentionAge: durationFromMs(3_000) };

type TopicFields = NonNullable<Parameters<BrokerFixture['topic']>[1]>;

/** A broker, and the topics that its cases make there. */
export class RetainedTopics {
  readonly fixture: BrokerFixture;
  readonly #fields: TopicFields;
  #count = 0;

  /** `fields` are those of every topic. */
  constructor(fixture: BrokerFixture, fields: TopicFields = {}) {
    this.fixture = fixture;
    this.#fields = fields;
  }

  async topic(fields: TopicFields): Promise<string> {
    this.#count += 1;
    const topic = `retention-${this.#count}`;
    await this.fixture.topic(topic, { ...this.#fields, ...fields });
    return topic;
  }

  /** [first, next] of the only lane. */
  extent(topic: string): Promise<[number, number]> {
    return new Promise((resolve) => {
      this.fixture.partitions.describeTopic({ topic }, (_, { lanes: [lane] }) => {
        resolve([lane?.firstOffset ?? -1, lane?.nextOffset ?? -1]);
      });
    });
  }

  async skipped(topic: string, group: string): Promise<number | undefined> {
    return (await this.fixture.describeGroup(topic, group)).lanes[0]?.skipped;
  }
}

const texts = (number: number, size = 10) => Array.from({ length: number }, (_, nth) => `${nth}`.padEnd(size, '.'));

/**
 * What has to hold on every storage class. A case mostly waits: it runs on all `engines`, which are there when the tests
 * begin, at once.
 */
export function describeRetention(title: string, engines: () => ReadonlyMap<string, RetainedTopics>): void {
  const onEach = (behaviour: string, run: (retained: RetainedTopics) => Promise<void>): void => {
    test(behaviour, async () => {
      const runs = [...engines()].map(async ([engine, retained]) => {
        await run(retained).catch((cause: unknown) => {
          throw new Error(`on ${engine}: ${String(cause)}`, { cause });
        });
      });
      await Promise.all(runs);
    });
  };

  describe(`retention on ${title}`, () => {
    onEach(
      'by age: what is settled goes, but for the last record; what is not stays, in flight or waiting for a retry',
      async (retained) => {
        const { fixture } = retained;
        const topic = await retained.topic(AGE);
        await fixture.group(topic, 'g');
        await fixture.group(topic, 'idle');
        await fixture.publishTexts(topic, texts(6));
        const one = await fixture.subscribe({ topic, group: 'g' }).opened();
        const [, , third, fourth, ...rest] = await one.received(6);
        await one.settle([third!], { outcome: Outcome.NACK, delay: durationFromMs(6_000) });
        await one.settle([...one.deliveries.slice(0, 2), ...rest]);
        const idle = await fixture.subscribe({ topic, group: 'idle', consumer: 'c2' }).opened();
        await idle.settle(await idle.received(6));
        await eventually(async () => {
          expect(await retained.extent(topic)).toEqual([third!.offset, 7]);
        }, PATIENCE);
        const again = (await eventually(async () => one.received(7), PATIENCE))[6]!;
        expect(again).toMatchObject({ offset: third!.offset, attempt: 2 });
        await one.settle([again]);
        await eventually(async () => {
          expect(await retained.extent(topic)).toEqual([fourth!.offset, 7]);
        }, PATIENCE);
        await one.settle([fourth!]);
        await eventually(async () => {
          expect(await retained.extent(topic)).toEqual([6, 7]);
        }, PATIENCE);
        await fixture.restartBroker(topic);
        expect((await retained.extent(topic))[0]).toBeGreaterThanOrEqual(6);
      },
    );

    onEach('by size: about so many bytes of a partition are kept', async (retained) => {
      const { fixture } = retained;
      const topic = await retained.topic({ retentionBytes: 100_000, retentionAge: durationFromMs(50_000) });
      for (let batch = 0; batch < 3; batch += 1) {
        await fixture.publish({ topic, messages: texts(100, 1_000).map((text) => message(text)) });
      }
      await eventually(async () => {
        const [first, next] = await retained.extent(topic);
        expect(next - first).toBeGreaterThan(60);
        expect(next - first).toBeLessThan(130);
      }, PATIENCE);
    });

    onEach('a dead letter outlives the log, and is redriven from its own copy', async (retained) => {
      const { fixture } = retained;
      const topic = await retained.topic(AGE);
      await fixture.group(topic, 'g');
      await fixture.publishTexts(topic, ['dead', 'good', 'last']);
      const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
      const [dead, good, last] = await subscriber.received(3);
      await subscriber.settle([dead!], { outcome: Outcome.DEAD_LETTER });
      await subscriber.settle([good!, last!]);
      await eventually(async () => {
        expect(await retained.extent(topic)).toEqual([3, 4]);
      }, PATIENCE);
      const selection = { topic, group: 'g', all: true, filter: '', messageIds: [] };
      await new Promise((resolve) => {
        fixture.partitions.redriveDeadLetters(selection, resolve);
      });
      await subscriber.received(4);
      expect(subscriber.texts.at(-1)).toBe('dead');
      expect(await subscriber.settle(subscriber.deliveries.slice(3))).toEqual(['OK']);
    });

    describe('beyond the hard age', () => {
      onEach(
        'an unread backlog is lost to its group, counted and told; what waits for a retry comes from its copy',
        async (retained) => {
          const { fixture } = retained;
          const topic = await retained.topic(HARD);
          await fixture.group(topic, 'g', { mode: GroupMode.SHARED });
          await fixture.group(topic, 'idle');
          await fixture.publishTexts(topic, texts(6));
          const one = await fixture.subscribe({ topic, group: 'g' }).opened();
          const [first, second, ...rest] = await one.received(6);
          await one.settle([first!], { outcome: Outcome.NACK, delay: durationFromMs(6_000) });
          await one.settle(rest);
          await eventually(async () => {
            expect(await retained.extent(topic)).toEqual([6, 7]);
          }, PATIENCE);
          expect(await retained.skipped(topic, 'g')).toBe(1);
          expect(await retained.skipped(topic, 'idle')).toBe(6);
          expect(await fixture.metric('hermes_broker_skipped_messages_total')).toBe(7);
          expect(await one.settle([second!], { outcome: Outcome.NACK })).toEqual(['STALE_DELIVERY']);
          expect(await one.settle([second!])).toEqual(['OK']);
          await fixture.restartBroker(topic);
          expect(await retained.skipped(topic, 'idle')).toBe(6);
          const two = await fixture.subscribe({ topic, group: 'g' }).opened();
          const [again] = await eventually(() => two.received(1), PATIENCE);
          expect(again).toMatchObject({ offset: first!.offset, attempt: 2 });
          expect(two.texts).toEqual(texts(1));
          expect(await two.settle([again!])).toEqual(['OK']);
          await fixture.publishTexts(topic, ['new']);
          const idle = await fixture.subscribe({ topic, group: 'idle' }).opened();
          await idle.received(1);
          expect(idle.texts).toEqual(['new']);
        },
      );

      onEach(
        'a message that its consumer holds too long is lost to the group, and what waits behind its key is too',
        async (retained) => {
          const { fixture } = retained;
          const topic = await retained.topic(HARD);
          await fixture.group(topic, 'g', { ackDeadline: durationFromMs(60_000) });
          // Together: they grow too old at one moment.
          await fixture.publish({ topic, messages: texts(3).map((text) => message(text, { key: 'key' })) });
          const one = await fixture.subscribe({ topic, group: 'g' }).opened();
          const [held] = await one.received(1);
          await eventually(async () => {
            expect(await retained.extent(topic)).toEqual([3, 4]);
          }, PATIENCE);
          await fixture.publish({ topic, messages: [message('new', { key: 'key' })] });
          await one.received(2);
          expect(one.texts).toEqual([...texts(1), 'new']);
          expect(await one.settle([held!], { outcome: Outcome.NACK })).toEqual(['STALE_DELIVERY']);
        },
      );

      onEach(
        'a group that was filtered past all there is opens again on a log that was cut under it',
        async (retained) => {
          const { fixture } = retained;
          const topic = await retained.topic(HARD);
          await fixture.group(topic, 'g', { filter: 'key == "never"' });
          await fixture.subscribe({ topic, group: 'g' }).opened();
          await fixture.publishTexts(topic, texts(4));
          await eventually(async () => {
            expect(await retained.extent(topic)).toEqual([4, 5]);
          }, PATIENCE);
          await fixture.restartBroker(topic);
          const [lane] = (await fixture.describeGroup(topic, 'g')).lanes;
          expect(lane?.floor).toBeGreaterThanOrEqual(4);
          expect(lane?.skipped).toBe(0);
        },
      );
    });
  });
}
