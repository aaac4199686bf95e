import { type DeliveryCluster, DeliverySuite } from './delivery-suite.js';
import { describeDoubt } from './doubt.js';
import { describeGroups } from './groups.js';
import { describeHandOver } from './hand-over.js';
import { describePublishing } from './publishing.js';
import { describeSettling } from './settling.js';
import { describeVerified } from './verified.js';

/**
 * What a publisher and a consumer can ask of a message, through real processes, whatever the storage class; `more` are
 * tests of one class.
 */
export function describeDelivery(
  title: string,
  start: () => Promise<DeliveryCluster>,
  more: (suite: DeliverySuite) => void = () => undefined,
): void {
  describe(`delivery on ${title}`, () => {
    const suite = new DeliverySuite(start);
    beforeAll(() => suite.start(), 300_000);
    afterAll(() => suite.stop());

    describeSettling(suite);
    describeHandOver(suite);
    describePublishing(suite, title);
    describeGroups(suite);
    describeDoubt(suite, title);
    describeVerified(suite);
    more(suite);
  });
}
