import { GroupMode, parseRetryPolicy } from '@hermes/client';
import { durationFromMs, Outcome } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Caller } from '../harness/caller.js';
import { deadTexts } from '../harness/dead-letters.js';
import { placed } from '../harness/placed.js';
import { type Pulled, Puller } from '../harness/puller.js';
import { type DeliverySuite, PATIENCE } from './delivery-suite.js';
import { MixedBatch } from './mixed-batch.js';

const WAIT = durationFromMs(10_000);
const MOVES = 6;

/** Pulls, and what was pulled, while partitions change their owners in good order. */
export function describePullMoves(suite: DeliverySuite): void {
  /** Moves every partition to the other broker. */
  const moveAll = async (topic: string): Promise<void> => {
    const names = suite.processes.brokers.map(({ name }) => name);
    for (const { partition, broker } of await placed(suite.hermes, topic)) {
      await suite.hermes.admin.movePartition(
        topic,
        partition,
        names.find((name) => name !== broker)!,
      );
    }
  };

  test('what was pulled stays its consumer’s through a move: every decision counts at the new owner, once', async () => {
    const topic = await suite.topic();
    const group = { topic, name: MixedBatch.GROUP, mode: GroupMode.SHARED, retry: parseRetryPolicy('3:[5,1000]') };
    await suite.hermes.admin.createGroup(group);
    using caller = new Caller(suite.processes.gatewayEndpoint);
    const batch = new MixedBatch(caller, topic);
    await suite.publish(topic, batch.texts);
    await eventually(() => batch.pull(), PATIENCE);
    await moveAll(topic);
    const consumer = suite.consume(topic, MixedBatch.GROUP);
    await suite.publish(topic, ['after']);
    await eventually(() => {
      expect(consumer.seen).toEqual(['after#1']);
    }, PATIENCE);
    await batch.acknowledge();
    expect(batch.summary).toBe(`${batch.texts.length} OK, 0 STALE_DELIVERY, 0 none`);
    await eventually(async () => {
      expect((await suite.progress(topic, MixedBatch.GROUP)).lag).toBe(0);
    }, PATIENCE);
    await consumer.stop();
    expect(batch.violations(consumer.seen, await deadTexts(suite.hermes, topic, MixedBatch.GROUP))).toEqual([]);
  });

  test('what was pulled and never settled comes again when its time is over, not before; it can be extended after a move', async () => {
    const topic = await suite.topic({ partitions: 1 });
    const group = { topic, name: 'billing', mode: GroupMode.SHARED, retry: parseRetryPolicy('3:[5,10]') };
    await suite.hermes.admin.createGroup(group);
    using caller = new Caller(suite.processes.gatewayEndpoint);
    const puller = new Puller(caller, { topic, group: 'billing', consumer: 'c1' });
    await suite.publish(topic, ['extended', 'forgotten']);
    const pulled = await puller.pull({ maxMessages: 2, wait: WAIT, ackDeadline: durationFromMs(4_000) });
    expect(pulled.map(({ text }) => text).sort()).toEqual(['extended', 'forgotten']);
    await moveAll(topic);
    const { receipt } = pulled.find(({ text }) => text === 'extended')!;
    expect(await puller.settle([{ receipt, outcome: Outcome.EXTEND, deadline: durationFromMs(60_000) }])).toEqual([
      'OK',
    ]);
    const consumer = suite.consume(topic, 'billing');
    await eventually(() => {
      expect(consumer.seen).toEqual(['forgotten#2']);
    }, PATIENCE);
    expect(await puller.settle([{ receipt, outcome: Outcome.ACK }])).toEqual(['OK']);
    await eventually(async () => {
      expect(await suite.progress(topic, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await consumer.stop();
    expect(consumer.seen).toEqual(['forgotten#2']);
  });

  test('pulls that wait or are under way while partitions move give each message once', async () => {
    const topic = await suite.topic();
    await suite.hermes.admin.createGroup({ topic, name: 'billing', mode: GroupMode.SHARED });
    using caller = new Caller(suite.processes.gatewayEndpoint);
    const seen: Pulled[] = [];
    const answers: string[] = [];
    const published: string[] = [];
    let isOver = false;
    const pulls = ['c1', 'c2'].map(async (consumer) => {
      const puller = new Puller(caller, { topic, group: 'billing', consumer });
      const settle = async (pulled: readonly Pulled[]): Promise<void> => {
        const entries = pulled.map(({ receipt }) => ({ receipt, outcome: Outcome.ACK }));
        answers.push(...(entries.length === 0 ? [] : await puller.settle(entries)));
      };
      let held: Pulled[] = [];
      while (!isOver || seen.length < published.length) {
        // Settled one pull later: there may be a move between.
        const pulled = await puller.pull({ maxMessages: 10, wait: durationFromMs(500) });
        seen.push(...pulled);
        await settle(held);
        held = pulled;
      }
      await settle(held);
    });
    for (let move = 0; move < MOVES; move += 1) {
      const moving = moveAll(topic);
      for (let nth = 0; nth < 20; nth += 1) {
        const texts = Array.from({ length: 5 }, (_, at) => `${move}-${nth}-${at}`);
        await suite.publish(topic, texts);
        published.push(...texts);
      }
      await moving;
    }
    isOver = true;
    await Promise.all(pulls);
    expect(seen.map(({ text, attempt }) => `${text}#${attempt}`).sort()).toEqual(
      published.map((text) => `${text}#1`).sort(),
    );
    expect(answers.filter((answer) => answer !== 'OK')).toEqual([]);
  });
}
