import { Message, stringCodec } from '@hermes/client';
import { eventually } from '@hermes/testing';
import { setTimeout as sleep } from 'node:timers/promises';

import { Caller } from '../harness/caller.js';
import { type DeliverySuite, LEASE_TTL_MS, PATIENCE } from './delivery-suite.js';
import { NumberedPublisher } from './numbered-publisher.js';

/** Publishes that are stored once, now or when their time has come. */
export function describePublishing(suite: DeliverySuite, title: string): void {
  test('numbered messages are stored once and in order, though their brokers are killed, or stand still', async () => {
    const name = await suite.topic();
    using caller = new Caller(suite.processes.gatewayEndpoint);
    const publishers = [1, 2, 3, 4].map(
      (producerId) => new NumberedPublisher(caller, { topic: name, partition: producerId % 2, producerId }),
    );
    const running = Promise.all(publishers.map((publisher) => publisher.run(400)));
    for (const { process } of suite.processes.brokers) {
      const before = publishers[0]!.places.size;
      await eventually(() => publishers[0]!.places.size > before + 200, PATIENCE);
      await process.end('SIGKILL');
      await process.startReady();
    }
    // With appends under way it stands still for longer than its lease, and goes on with them.
    const [stalled] = suite.processes.brokers;
    const before = publishers[0]!.places.size;
    await eventually(() => publishers[0]!.places.size > before + 200, PATIENCE);
    stalled!.process.signal('SIGSTOP');
    await sleep(LEASE_TTL_MS + 1_500);
    stalled!.process.signal('SIGCONT');
    await running;
    const stored = new Map<string, string>();
    const sequences = new Map<string, number>();
    for await (const { message, messageId } of suite.hermes.admin.readMessages(name)) {
      const text = Buffer.from(Message.decode(message).body).toString();
      const [producer = '', sequence] = text.split('-');
      expect([text, stored.has(text)]).toEqual([text, false]);
      expect(Number(sequence)).toBe(sequences.get(producer) ?? 0);
      sequences.set(producer, Number(sequence) + 1);
      stored.set(text, messageId);
    }
    expect(stored).toEqual(new Map(publishers.flatMap(({ places }) => [...places])));
    expect(stored.size).toBe(4 * 4_000);
    expect(publishers.every(({ duplicates }) => duplicates > 0)).toBe(true);
    process.stdout.write(
      `${title}: ${publishers.map(({ resent, duplicates }) => `${resent} sent again, ${duplicates} known`).join('; ')}\n`,
    );
  });

  test('scheduled messages take their places once, though their brokers are killed; one is withdrawn', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
    const consumer = suite.consume(name, 'billing');
    const producer = suite.hermes.producer<string>(name, { codec: stringCodec });
    const texts = Array.from({ length: 400 }, (_, nth) => `scheduled-${nth}`);
    const publishedAt = Date.now();
    await Promise.all(texts.map((text, nth) => producer.publish(text, { key: text, delayMs: 500 + nth * 5 })));
    const far = await producer.publish('far', { deliverAt: new Date(Date.now() + 3_600_000) });
    expect(far.id).toBeUndefined();
    const soon = await suite.cli('publish', name, 'never', '--delay', '1h');
    expect(await suite.cli('cancel', soon.output.trim())).toMatchObject({ code: 0 });
    await eventually(() => Date.now() > publishedAt + 1_200, PATIENCE);
    for (const { process } of suite.processes.brokers) {
      await process.end('SIGKILL');
      await process.startReady();
    }
    await eventually(() => {
      expect(new Set(consumer.seen.map((text) => text.split('#')[0])).size).toBe(texts.length);
    }, PATIENCE);
    // Partitions may still move to the broker that came back last.
    const stored = await eventually(async () => {
      const keys: string[] = [];
      for await (const { message } of suite.hermes.admin.readMessages(name)) {
        keys.push(Message.decode(message).key);
      }
      return keys.sort();
    }, PATIENCE);
    expect(stored).toEqual([...texts].sort());
    const { lanes } = await suite.hermes.admin.describeTopic(name);
    expect(lanes.reduce((sum, { scheduled }) => sum + scheduled, 0)).toBe(1);
    expect(await suite.hermes.cancelSchedule(far.scheduleId!)).toBe(true);
    expect(await suite.hermes.cancelSchedule(far.scheduleId!)).toBe(false);
    await consumer.stop();
  });
}
