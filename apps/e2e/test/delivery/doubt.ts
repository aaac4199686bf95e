import { GroupMode, parseRetryPolicy } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { Caller } from '../harness/caller.js';
import { deadTexts } from '../harness/dead-letters.js';
import { type DeliverySuite, PATIENCE } from './delivery-suite.js';
import { MixedBatch } from './mixed-batch.js';

/** One sender asks again until it is answered, the other gives up. */
const SENDER_DEADLINES_MS = [20_000, 300];

/** Settles of which their sender does not know what became. */
export function describeDoubt(suite: DeliverySuite, title: string): void {
  test('a batch of mixed outcomes whose commit is lost: what is answered is done, and each entry counts once', async () => {
    using caller = new Caller(suite.processes.gatewayEndpoint);
    const rounds = suite.losses.flatMap((lose) => SENDER_DEADLINES_MS.map((deadlineMs) => ({ lose, deadlineMs })));
    for (const { lose, deadlineMs } of rounds) {
      const name = await suite.topic();
      const retry = parseRetryPolicy('3:[5,1000]');
      await suite.hermes.admin.createGroup({ topic: name, name: MixedBatch.GROUP, mode: GroupMode.SHARED, retry });
      const batch = new MixedBatch(caller, name);
      await suite.publish(name, batch.texts);
      await eventually(() => batch.pull(), PATIENCE);
      await Promise.all([batch.acknowledge(deadlineMs), lose()]);
      const consumer = suite.consume(name, MixedBatch.GROUP);
      await eventually(async () => {
        expect((await suite.progress(name, MixedBatch.GROUP)).lag).toBe(0);
      }, PATIENCE);
      await consumer.stop();
      expect(batch.violations(consumer.seen, await deadTexts(suite.hermes, name, MixedBatch.GROUP))).toEqual([]);
      process.stdout.write(`${title}: ${batch.summary}\n`);
    }
  });
}
