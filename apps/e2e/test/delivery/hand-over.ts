import { connect, stringCodec } from '@hermes/client';
import { eventually, FaultProxy } from '@hermes/testing';
import { setTimeout as sleep } from 'node:timers/promises';

import { type DeliverySuite, PATIENCE } from './delivery-suite.js';

/** What stands between a consumer and the cluster. */
interface Disturbed {
  readonly proxy: FaultProxy;
}

/** Consumers that lose their connections, or their brokers, for a moment. */
export function describeHandOver(suite: DeliverySuite): void {
  /**
   * Consumes messages slowly while `disturb` does its work; none may be missing. Handled once is each of them as long as
   * everybody comes back in time, which a machine that stands still for seconds prevents: one round of three must do.
   */
  const handledOnce = async (disturb: (seen: readonly string[], under: Disturbed) => Promise<void>): Promise<void> => {
    let repeated: string[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const name = await suite.topic();
      await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
      const [host = '', port] = suite.processes.gatewayEndpoint.split(':');
      await using proxy = await FaultProxy.open({ host, port: Number(port) });
      const client = await connect({ gateway: `${proxy.host}:${proxy.port}` });
      const texts = Array.from({ length: 500 }, (_, nth) => `message-${nth}`);
      await suite.publish(name, texts);
      const seen: string[] = [];
      const consumer = client.consumer<string>(name, 'billing', {
        codec: stringCodec,
        concurrency: 8,
        maxInFlight: 50,
      });
      const running = consumer.run(async ({ body, attempt }) => {
        seen.push(`${body}#${attempt}`);
        await sleep(15);
      });
      await disturb(seen, { proxy });
      await eventually(async () => {
        expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      await consumer.drain();
      await running;
      await client.close();
      const wanted = texts.map((text) => `${text}#1`);
      expect([...new Set(seen)].sort()).toEqual(wanted.sort());
      repeated = seen.filter((each, at) => seen.indexOf(each) < at);
      if (repeated.length === 0) {
        break;
      }
    }
    expect(repeated).toEqual([]);
  };
  const reached = (seen: readonly string[], count: number): Promise<unknown> =>
    eventually(() => {
      expect(seen.length).toBeGreaterThanOrEqual(count);
    }, PATIENCE);

  test('a consumer whose connection breaks again and again handles each message once', () =>
    handledOnce(async (seen, { proxy }) => {
      for (let cuts = 1; cuts <= 5; cuts += 1) {
        await reached(seen, cuts * 60);
        proxy.reset();
      }
    }));

  test('brokers that are stopped and started in good order under a consumer: each message is handled once', () =>
    handledOnce(async (seen) => {
      for (const [nth, { process }] of suite.processes.brokers.entries()) {
        await reached(seen, (nth + 1) * 100);
        await process.end('SIGTERM');
        await process.startReady();
      }
    }));
}
