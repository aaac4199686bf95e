import {
  connect,
  DeadLetter,
  GroupMode,
  Message,
  type Hermes,
  parseRetryPolicy,
  stringCodec,
  type TopicSpec,
} from '@hermes/client';
import { eventually, FaultProxy } from '@hermes/testing';
import { setTimeout as sleep } from 'node:timers/promises';

import { Caller } from '../harness/caller.js';
import { type Cluster } from '../harness/cluster.js';
import { HermesProcess } from '../harness/hermes-process.js';
import { placed } from '../harness/placed.js';
import { NumberedPublisher } from './numbered-publisher.js';

/** A running cluster, and how to make a topic of the class that is tried. */
export interface DeliveryCluster extends AsyncDisposable {
  readonly processes: Cluster;
  readonly topicFields: Partial<TopicSpec>;
}

/** What stands between a consumer and the cluster. */
interface Disturbed {
  readonly proxy: FaultProxy;
}

const PATIENCE = { deadlineMs: 30_000 };

/** What a publisher and a consumer can ask of a message, through real processes, whatever the storage class. */
export function describeDelivery(title: string, start: () => Promise<DeliveryCluster>): void {
  describe(`delivery on ${title}`, () => {
    let cluster: DeliveryCluster;
    let hermes: Hermes;
    let topics = 0;

    beforeAll(async () => {
      cluster = await start();
      hermes = await connect({ gateway: cluster.processes.gatewayEndpoint });
    }, 300_000);
    afterAll(async () => {
      await hermes.close();
      await cluster[Symbol.asyncDispose]();
    });

    const topic = async (fields: Partial<TopicSpec> = {}): Promise<string> => {
      topics += 1;
      const name = `delivery-${topics}`;
      await hermes.admin.createTopic({ name, partitions: 2, ...cluster.topicFields, ...fields });
      return name;
    };
    /** Consumes until `stop`; what a handler got, as `text#attempt`. */
    const consume = (name: string, group: string, handle: (text: string) => void = () => undefined) => {
      const seen: string[] = [];
      const consumer = hermes.consumer<string>(name, group, { codec: stringCodec, concurrency: 8 });
      const running = consumer.run(({ body, attempt }) => {
        seen.push(`${body}#${attempt}`);
        handle(body);
      });
      const stop = async (): Promise<void> => {
        await consumer.drain();
        await running;
      };
      return { seen, stop };
    };
    const publish = async (name: string, texts: readonly string[], options = {}): Promise<string[]> => {
      const producer = hermes.producer<string>(name, { codec: stringCodec });
      const receipts = await Promise.all(texts.map((text) => producer.publish(text, { key: text, ...options })));
      return receipts.map(({ id = '' }) => id);
    };
    const cli = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
      const process = new HermesProcess('hermes', [...args, '--server', cluster.processes.gatewayEndpoint]);
      process.start();
      const { code } = await process.ended();
      return { code, output: process.output };
    };
    const progress = async (name: string, group: string) => {
      const { lanes } = await hermes.admin.describeGroup(name, group);
      const sum = (count: (lane: (typeof lanes)[0]) => number) => lanes.reduce((total, lane) => total + count(lane), 0);
      return { lag: sum(({ lag }) => lag), dead: sum(({ deadLetters }) => deadLetters) };
    };

    test('a payload that no codec reads is retried, then dead; its partition goes on; it is redriven once mended', async () => {
      const name = await topic();
      await hermes.admin.createGroup({ topic: name, name: 'billing', retry: parseRetryPolicy('3:[2,50]') });
      await hermes.admin.createGroup({ topic: name, name: 'other' });
      let mended = false;
      const fragile = consume(name, 'billing', (text) => {
        if (text === 'poison' && !mended) {
          throw new Error('unreadable');
        }
      });
      const other = consume(name, 'other');
      const [id = ''] = await publish(name, ['poison', 'good', 'better']);
      await eventually(async () => {
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 1 });
      }, PATIENCE);
      expect(fragile.seen.filter((text) => text.startsWith('poison'))).toEqual(['poison#1', 'poison#2', 'poison#3']);
      const letters = [];
      for await (const letter of hermes.admin.listDeadLetters(name, 'billing')) {
        letters.push(letter);
      }
      expect(letters).toMatchObject([{ messageId: id, attempts: 3, reason: 'Error: unreadable' }]);
      mended = true;
      expect(await hermes.admin.redriveDeadLetters(name, 'billing', { messageIds: [id] })).toBe(1);
      await eventually(async () => {
        expect(fragile.seen.filter((text) => text === 'poison#1')).toHaveLength(2);
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      await eventually(() => {
        expect(other.seen.sort()).toEqual(['better#1', 'good#1', 'poison#1']);
      }, PATIENCE);
      await Promise.all([fragile.stop(), other.stop()]);
    });

    /**
     * Consumes messages slowly while `disturb` does its work; none may be missing. Handled once is each of them as long as
     * everybody comes back in time, which a machine that stands still for seconds prevents: one round of three must do.
     */
    const handledOnce = async (
      disturb: (seen: readonly string[], under: Disturbed) => Promise<void>,
    ): Promise<void> => {
      let repeated: string[] = [];
      for (let round = 1; round <= 3; round += 1) {
        const name = await topic();
        await hermes.admin.createGroup({ topic: name, name: 'billing' });
        const [host = '', port] = cluster.processes.gatewayEndpoint.split(':');
        await using proxy = await FaultProxy.open({ host, port: Number(port) });
        const client = await connect({ gateway: `${proxy.host}:${proxy.port}` });
        const texts = Array.from({ length: 500 }, (_, nth) => `message-${nth}`);
        await publish(name, texts);
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
          expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
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
        for (const [nth, { process }] of cluster.processes.brokers.entries()) {
          await reached(seen, (nth + 1) * 100);
          await process.end('SIGTERM');
          await process.startReady();
        }
      }));

    test('dead letters are kept through the death of their broker, and redriven and discarded by the command line', async () => {
      const name = await topic();
      await hermes.admin.createGroup({ topic: name, name: 'billing' });
      const consumer = consume(name, 'billing', (text) => {
        throw new DeadLetter(`no ${text}`);
      });
      const texts = Array.from({ length: 20 }, (_, nth) => `message-${nth}`);
      await publish(name, texts);
      await eventually(async () => {
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 20 });
      }, PATIENCE);
      await consumer.stop();
      for (const { process } of cluster.processes.brokers) {
        await process.end('SIGKILL');
        await process.startReady();
      }
      await eventually(async () => {
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 20 });
      }, PATIENCE);
      const listed = await cli('dlq', 'list', name, 'billing');
      expect(listed).toMatchObject({ code: 0 });
      expect(listed.output.match(/consumer +1 +\S+ +message-\d+ +no message-\d+/g)).toHaveLength(20);
      const filter = 'key in ["message-3", "message-4"]';
      expect(await cli('dlq', 'discard', name, 'billing', '--filter', filter)).toEqual({
        code: 0,
        output: '2 discarded\n',
      });
      expect(await cli('dlq', 'redrive', name, 'billing', '--all')).toEqual({ code: 0, output: '18 redriven\n' });
      const again = consume(name, 'billing');
      await eventually(() => {
        expect([...new Set(again.seen)].sort()).toEqual(
          texts
            .filter((text) => !filter.includes(`"${text}"`))
            .map((text) => `${text}#1`)
            .sort(),
        );
      }, PATIENCE);
      await again.stop();
    });

    test('a group is moved while it is consumed, by the command line; a message is looked at', async () => {
      const name = await topic();
      await hermes.admin.createGroup({ topic: name, name: 'billing' });
      const consumer = consume(name, 'billing');
      const [id = ''] = await publish(name, ['a', 'b', 'c', 'd']);
      await eventually(async () => {
        expect(consumer.seen).toHaveLength(4);
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      expect(await cli('group', 'seek', name, 'billing', 'earliest')).toMatchObject({ code: 0 });
      await eventually(async () => {
        expect([...consumer.seen].sort()).toEqual(['a#1', 'a#1', 'b#1', 'b#1', 'c#1', 'c#1', 'd#1', 'd#1']);
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      await consumer.stop();
      expect(await hermes.admin.seek(name, 'billing', { shift: -1 }, { dryRun: true })).toHaveLength(2);
      const looked = await cli('message', 'get', id);
      expect(looked).toMatchObject({ code: 0, output: expect.stringMatching(/^key +a$/m) as unknown });
      expect(await cli('message', 'get', `${id}9`)).toMatchObject({ code: 1 });
    });

    test('numbered messages are stored once and in order, though their brokers are killed', async () => {
      const name = await topic();
      using caller = new Caller(cluster.processes.gatewayEndpoint);
      const publishers = [1, 2, 3, 4].map(
        (producerId) => new NumberedPublisher(caller, { topic: name, partition: producerId % 2, producerId }),
      );
      const running = Promise.all(publishers.map((publisher) => publisher.run(400)));
      for (const { process } of cluster.processes.brokers) {
        const before = publishers[0]!.places.size;
        await eventually(() => publishers[0]!.places.size > before + 200, PATIENCE);
        await process.end('SIGKILL');
        await process.startReady();
      }
      await running;
      const stored = new Map<string, string>();
      const sequences = new Map<string, number>();
      for await (const { message, messageId } of hermes.admin.readMessages(name)) {
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
      const name = await topic();
      await hermes.admin.createGroup({ topic: name, name: 'billing' });
      const consumer = consume(name, 'billing');
      const producer = hermes.producer<string>(name, { codec: stringCodec });
      const texts = Array.from({ length: 400 }, (_, nth) => `scheduled-${nth}`);
      const publishedAt = Date.now();
      await Promise.all(texts.map((text, nth) => producer.publish(text, { key: text, delayMs: 500 + nth * 5 })));
      const far = await producer.publish('far', { deliverAt: new Date(Date.now() + 3_600_000) });
      expect(far.id).toBeUndefined();
      const soon = await cli('publish', name, 'never', '--delay', '1h');
      expect(await cli('cancel', soon.output.trim())).toMatchObject({ code: 0 });
      await eventually(() => Date.now() > publishedAt + 1_200, PATIENCE);
      for (const { process } of cluster.processes.brokers) {
        await process.end('SIGKILL');
        await process.startReady();
      }
      await eventually(() => {
        expect(new Set(consumer.seen.map((text) => text.split('#')[0])).size).toBe(texts.length);
      }, PATIENCE);
      const stored: string[] = [];
      for await (const { message } of hermes.admin.readMessages(name)) {
        stored.push(Message.decode(message).key);
      }
      expect(stored.sort()).toEqual([...texts].sort());
      const { lanes } = await hermes.admin.describeTopic(name);
      expect(lanes.reduce((sum, { scheduled }) => sum + scheduled, 0)).toBe(1);
      expect(await hermes.cancelSchedule(far.scheduleId!)).toBe(true);
      expect(await hermes.cancelSchedule(far.scheduleId!)).toBe(false);
      await consumer.stop();
    });

    test('a group starts at a time: before, between, at and after what is there', async () => {
      const name = await topic({ partitions: 1 });
      const times: Date[] = [];
      for (const text of ['a', 'b']) {
        const [id = ''] = await publish(name, [text]);
        const { publishedAt } = await hermes.admin.getMessage(id);
        times.push(new Date((publishedAt?.seconds ?? 0) * 1_000 + (publishedAt?.nanos ?? 0) / 1e6));
        await eventually(() => Date.now() > times.at(-1)!.getTime() + 5, PATIENCE);
      }
      const [first = new Date(), second = new Date()] = times;
      const starts = {
        before: new Date(first.getTime() - 1_000),
        at: first,
        between: new Date(first.getTime() + 1),
        after: new Date(second.getTime() + 1),
      };
      for (const [group, start] of Object.entries(starts)) {
        const seconds = Math.floor(start.getTime() / 1_000);
        const value = { seconds, nanos: (start.getTime() - seconds * 1_000) * 1e6 };
        await hermes.admin.createGroup({ topic: name, name: group, start: { kind: { $case: 'time', value } } });
      }
      const lag = async (group: string) => (await progress(name, group)).lag;
      expect(await Promise.all(Object.keys(starts).map(lag))).toEqual([2, 2, 1, 0]);
    });

    test('partitions and priority levels are added while it is consumed', async () => {
      const name = await topic({ partitions: 1 });
      await hermes.admin.createGroup({ topic: name, name: 'billing' });
      const consumer = consume(name, 'billing');
      const before = Array.from({ length: 50 }, (_, nth) => `before-${nth}`);
      await publish(name, before);
      await hermes.admin.updateTopic({ name, partitions: 3, priorityLevels: 2 }, ['partitions', 'priority_levels']);
      const after: string[] = [];
      const used = new Set<string | undefined>();
      // The gateway is asked again, after a while, how many partitions there are.
      await eventually(
        async () => {
          const more = Array.from({ length: 50 }, (_, nth) => `after-${after.length + nth}`);
          after.push(...more);
          const ids = await publish(name, more, { priority: 1 });
          ids.forEach((id) => used.add(id.split('/')[1]));
          expect(used).toEqual(new Set(['0', '1', '2']));
        },
        { ...PATIENCE, intervalMs: 500 },
      );
      await eventually(async () => {
        expect([...new Set(consumer.seen)].sort()).toEqual([...before, ...after].map((text) => `${text}#1`).sort());
        expect(await progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      await consumer.stop();
      await expect(hermes.admin.updateTopic({ name, partitions: 1 }, ['partitions'])).rejects.toMatchObject({
        code: 'IMMUTABLE_FIELD',
      });
    });

    test('a filter and priority levels hold through the gateway', async () => {
      const name = await topic({ priorityLevels: 3 });
      const filter = 'tag~a*';
      await hermes.admin.createGroup({ topic: name, name: 'some', filter, mode: GroupMode.SHARED });
      await publish(name, ['a0', 'a1'], { attributes: { tag: 'alpha' }, priority: 0 });
      await publish(name, ['b0', 'b1'], { attributes: { tag: 'beta' }, priority: 1 });
      await publish(name, ['a2', 'a3'], { attributes: { tag: 'alpha' }, priority: 2 });
      const consumer = consume(name, 'some');
      await eventually(async () => {
        expect([...consumer.seen].sort()).toEqual(['a0#1', 'a1#1', 'a2#1', 'a3#1']);
        expect(await progress(name, 'some')).toEqual({ lag: 0, dead: 0 });
      }, PATIENCE);
      await consumer.stop();
      const found: string[] = [];
      for await (const { messageId } of hermes.admin.readMessages(name, { filter: 'priority == 2' })) {
        found.push(messageId.split('/')[2]!);
      }
      expect(found).toEqual(['2', '2']);
      expect(await placed(hermes, name)).toHaveLength(2);
    });
  });
}
