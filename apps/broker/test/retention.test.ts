import { BrokerFixture } from './broker-fixture.js';
import { describeRetention, RetainedTopics } from './describe-retention.js';

jest.setTimeout(20_000);

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

const engines = new Map([['embedded storage', new RetainedTopics(fixture)]]);
describeRetention('embedded storage', () => engines);
