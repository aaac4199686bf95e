import { GroupMode, type Hermes, Message, parseRetryPolicy } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { type DeliverySuite, PATIENCE } from './delivery-suite.js';
import { ATTEMPTS_MAX, UNWANTED, Verifier } from './verifier.js';

const MESSAGES = 3_000;
const SEED = 11;
const MODES = [
  ['KEY_ORDERED', GroupMode.KEY_ORDERED],
  ['SHARED', GroupMode.SHARED],
  ['EXCLUSIVE', GroupMode.EXCLUSIVE],
] as const;

/** Everything at once, while brokers are killed and stopped: each message has exactly one end, in the promised order. */
export function describeVerified(suite: DeliverySuite): void {
  test.each(MODES)(
    'priorities, delays, filters, failures and dead brokers: each message of a %s group ends once',
    async (_, mode) => {
      const { hermes, processes } = suite;
      const name = await suite.topic({ priorityLevels: 3 });
      const retry = parseRetryPolicy(`3:[${ATTEMPTS_MAX - 1},50]`);
      const filter = `attributes["kind"] != "${UNWANTED}"`;
      await hermes.admin.createGroup({ topic: name, name: 'verified', mode, filter, retry });
      const verifier = new Verifier(name, mode, SEED);
      await verifier.consume(processes);
      const published = verifier.publish(hermes, MESSAGES);
      const [first, second] = processes.brokers;
      await eventually(() => verifier.ended > MESSAGES / 10, PATIENCE);
      await first!.process.end('SIGKILL');
      await first!.process.startReady();
      await eventually(() => verifier.ended > MESSAGES / 3, PATIENCE);
      await second!.process.end('SIGTERM');
      await second!.process.startReady();
      await published;
      await eventually(
        async () => {
          expect((await hermes.admin.describeTopic(name)).lanes.every(({ scheduled }) => scheduled === 0)).toBe(true);
          expect((await suite.progress(name, 'verified')).lag).toBe(0);
        },
        { deadlineMs: 60_000 },
      );
      await verifier.stop();
      verifier.verify(await deadTexts(hermes, name));
      expect(verifier.violations).toEqual([]);
    },
  );
}

async function deadTexts(hermes: Hermes, topic: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { message } of hermes.admin.listDeadLetters(topic, 'verified')) {
    texts.push(Buffer.from((message ?? Message.create()).body).toString());
  }
  return texts;
}
