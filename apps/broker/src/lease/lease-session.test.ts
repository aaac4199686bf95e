import { credentials } from '@grpc/grpc-js';
import { LeaseHolder } from '@hermes/coordination';
import { createLogger } from '@hermes/kit';
import { systemRandom } from '@hermes/runtime';
import { eventually, FakeClock, FakeTimers } from '@hermes/testing';
import { FakeMetaServer } from '../../test/fake-meta-server.js';
import { LeaseSession } from './lease-session.js';

const IDENTITY = {
  broker: 'b',
  incarnation: 1,
  endpoint: 'here:1',
  host: 'here',
  zone: '',
  brokerGroup: '',
  weight: 1,
};

describe('LeaseSession', () => {
  it('sends the next heartbeat a third of the TTL after the last, however late its answer came', async () => {
    const meta = new FakeMetaServer();
    await meta.start();
    meta.answers = false;
    const clock = new FakeClock();
    const timers = new FakeTimers(clock);
    const changes: boolean[] = [];
    const session = new LeaseSession({
      ...{ metaServers: [meta.endpoint], credentials: credentials.createInsecure(), clock, timers },
      identity: { ...IDENTITY, capacity: 0, dataDirectory: '', reachesMetadata: false },
      holder: new LeaseHolder(),
      orders: {
        registered: () => undefined,
        changed: ({ expired }) => changes.push(expired),
        revoked: () => undefined,
      },
      dataSources: () => [],
      random: systemRandom,
      logger: createLogger({ level: 'silent', component: 'test' }),
    });
    try {
      session.start();
      await eventually(() => {
        expect(meta.heartbeats).toEqual([1]);
      });
      // Later than two thirds of the TTL: a third after the answer the lease is over.
      timers.advance(0.8 * meta.ttlMs);
      meta.answerHeartbeat(1);
      await eventually(() => session.connected);
      timers.advance(0);
      await eventually(() => {
        expect(meta.heartbeats).toEqual([1, 2]);
      });
      expect(changes).not.toContain(true);
    } finally {
      session.stop();
      meta.stop();
    }
  });
});
