import { type Outcome } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { connect, type ConnectOptions, type Consumer, type ConsumeOptions, type Hermes } from '../src/index.js';
import { FakeBroker, type FakeSubscription } from './fake-broker.js';
import { FakeMeta } from './fake-meta.js';

/** What the fake brokers' messages hold. */
export interface Body {
  readonly offset: number;
}

/** A meta-server and two brokers, each with one partition of the topic `orders`, and a client of them. */
export class FakeCluster {
  readonly meta = new FakeMeta();
  readonly brokers: readonly [FakeBroker, FakeBroker] = [new FakeBroker(), new FakeBroker()];
  hermes!: Hermes;

  async start(options: ConnectOptions = {}): Promise<void> {
    await Promise.all([this.meta, ...this.brokers].map((server) => server.listen()));
    this.meta.route(
      'orders',
      this.brokers.map(({ endpoint }) => endpoint),
    );
    this.hermes = await connect({ metaServers: [this.meta.endpoint], ...options });
  }

  async stop(): Promise<void> {
    await this.hermes.close({ deadlineMs: 0 });
    [this.meta, ...this.brokers].forEach((server) => {
      server.kill();
    });
  }

  consumer(options: ConsumeOptions<Body> = {}): Consumer<Body> {
    return this.hermes.consumer<Body>('orders', 'billing', { name: 'c1', ...options });
  }
}

/** The subscription number `at` of a broker, once it is there. */
export async function subscribed(broker: FakeBroker, at = 0): Promise<FakeSubscription> {
  await eventually(() => {
    expect(broker.subscriptions.length).toBeGreaterThan(at);
  });
  return broker.subscriptions[at]!;
}

/** What was decided about which offsets, in the order of arrival. */
export function outcomesOf(broker: FakeBroker): [number, Outcome][] {
  return broker.acknowledged.map(({ offset, entry }) => [offset, entry.outcome]);
}
