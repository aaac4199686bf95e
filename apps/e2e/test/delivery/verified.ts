import { GroupMode } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { type DeliverySuite, killed, PATIENCE } from './delivery-suite.js';
import { Verifier } from './verifier.js';

const MESSAGES = 2_000;
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
      const verifier = new Verifier(await suite.topic({ priorityLevels: Verifier.LANES }), mode, SEED);
      await verifier.consume(hermes, processes);
      const published = verifier.publish(hermes, MESSAGES);
      const [first, second] = processes.brokers;
      await eventually(() => verifier.ended > MESSAGES / 10, PATIENCE);
      await killed(first!);
      await eventually(() => verifier.ended > MESSAGES / 3, PATIENCE);
      await second!.process.end('SIGTERM');
      await second!.process.startReady();
      await published;
      await verifier.expectAllEnded(hermes);
    },
  );
}
