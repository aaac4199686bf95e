import { GroupMode } from '@hermes/client';
import { type FaultAction, type MysqlProxy } from '@hermes/testing';

import { type DeliverySuite, type Loss } from './delivery-suite.js';
import { Verifier } from './verifier.js';

const SEED = 7;
const MESSAGES_PER_LOSS = 150;
const STATEMENTS = { settle: /COMMIT$/, append: /INSERT INTO t\d+_p\d+_l\d+ .*JSON_TABLE/s };
/** Done and not answered; lost on its way; done when nobody waits for it any more. */
const FAULTS: readonly FaultAction[] = ['dropReply', 'cut', 'hold'];

/** Brokers lose the outcome of the next settle or append, in each way that there is. */
export function lossesOf(proxy: MysqlProxy, what: keyof typeof STATEMENTS): Loss[] {
  return FAULTS.map((fault) => async () => {
    const statement = proxy.fault(STATEMENTS[what], fault);
    await statement.fired;
    await statement.release();
  });
}

/** Brokers that lose their connections to a server at the worst moment. */
export function describeLostCommits(suite: DeliverySuite, proxy: () => MysqlProxy): void {
  test('publishes and settles of which a broker has to find out whether they were stored: each message ends once', async () => {
    const { hermes, processes } = suite;
    const topic = await suite.topic({ priorityLevels: Verifier.LANES });
    const verifier = new Verifier(topic, GroupMode.KEY_ORDERED, SEED);
    await verifier.consume(hermes, processes);
    const [settles, appends] = [lossesOf(proxy(), 'settle'), lossesOf(proxy(), 'append')];
    for (const lose of [...appends, ...settles, ...appends, ...settles]) {
      await Promise.all([lose(), verifier.publish(hermes, MESSAGES_PER_LOSS)]);
    }
    await verifier.expectAllEnded(hermes);
  });
}
