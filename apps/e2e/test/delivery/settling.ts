import { DeadLetter, parseRetryPolicy } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { HermesProcess } from '../harness/hermes-process.js';
import { type DeliverySuite, PATIENCE } from './delivery-suite.js';

/** What becomes of messages that fail. */
export function describeSettling(suite: DeliverySuite): void {
  test('a payload that no codec reads is retried, then dead; its partition goes on; it is redriven once mended', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing', retry: parseRetryPolicy('3:[2,50]') });
    await suite.hermes.admin.createGroup({ topic: name, name: 'other' });
    let mended = false;
    const fragile = suite.consume(name, 'billing', (text) => {
      if (text === 'poison' && !mended) {
        throw new Error('unreadable');
      }
    });
    const other = suite.consume(name, 'other');
    const [id = ''] = await suite.publish(name, ['poison', 'good', 'better']);
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 1 });
    }, PATIENCE);
    expect(fragile.seen.filter((text) => text.startsWith('poison'))).toEqual(['poison#1', 'poison#2', 'poison#3']);
    const letters = [];
    for await (const letter of suite.hermes.admin.listDeadLetters(name, 'billing')) {
      letters.push(letter);
    }
    expect(letters).toMatchObject([{ messageId: id, attempts: 3, reason: 'Error: unreadable' }]);
    mended = true;
    expect(await suite.hermes.admin.redriveDeadLetters(name, 'billing', { messageIds: [id] })).toBe(1);
    await eventually(async () => {
      expect(fragile.seen.filter((text) => text === 'poison#1')).toHaveLength(2);
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await eventually(() => {
      expect([...other.seen].sort()).toEqual(['better#1', 'good#1', 'poison#1']);
    }, PATIENCE);
    await Promise.all([fragile.stop(), other.stop()]);
  });

  test('dead letters are kept through the death of their broker, and redriven and discarded by the command line', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
    const consumer = suite.consume(name, 'billing', (text) => {
      throw new DeadLetter(`no ${text}`);
    });
    const texts = Array.from({ length: 20 }, (_, nth) => `message-${nth}`);
    await suite.publish(name, texts);
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 20 });
    }, PATIENCE);
    await consumer.stop();
    for (const { process } of suite.processes.brokers) {
      await process.end('SIGKILL');
      await process.startReady();
    }
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 20 });
    }, PATIENCE);
    const listed = await suite.cli('dlq', 'list', name, 'billing');
    expect(listed).toMatchObject({ code: 0 });
    expect(listed.output.match(/consumer +1 +\S+ +message-\d+ +no message-\d+/g)).toHaveLength(20);
    const filter = 'key in ["message-3", "message-4"]';
    expect(await suite.cli('dlq', 'discard', name, 'billing', '--filter', filter)).toEqual({
      code: 0,
      output: '2 discarded\n',
    });
    expect(await suite.cli('dlq', 'redrive', name, 'billing', '--all')).toEqual({ code: 0, output: '18 redriven\n' });
    const again = suite.consume(name, 'billing');
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

  /** A consumer process that gets messages and does nothing: it stands still. */
  const consumers: HermesProcess[] = [];
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.end('SIGKILL')));
  });
  const frozenConsumer = async (name: string, group: string): Promise<HermesProcess> => {
    const consumer = new HermesProcess('tail', [
      ...['tail', name, '--group', group],
      ...['--server', suite.processes.gatewayEndpoint],
    ]);
    consumer.start();
    consumers.push(consumer);
    await eventually(async () => {
      expect((await suite.hermes.admin.describeGroup(name, group)).consumers).toHaveLength(1);
    }, PATIENCE);
    consumer.signal('SIGSTOP');
    return consumer;
  };
  const texts = Array.from({ length: 20 }, (_, nth) => `message-${nth}`);

  test('what a frozen consumer holds comes again as another attempt; what it says of it later changes nothing', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({
      ...{ topic: name, name: 'billing', retry: parseRetryPolicy('3:[50,50]') },
      ackDeadline: { seconds: 1, nanos: 0 },
    });
    const frozen = await frozenConsumer(name, 'billing');
    await suite.publish(name, texts);
    const other = suite.consume(name, 'billing');
    await eventually(async () => {
      expect(new Set(other.seen.map((text) => text.split('#')[0]))).toEqual(new Set(texts));
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    expect(other.seen.every((text) => text.endsWith('#1'))).toBe(false);
    const settled = other.seen.length;
    frozen.signal('SIGCONT');
    await suite.publish(name, ['last']);
    await eventually(async () => {
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    expect(other.seen.length).toBeLessThanOrEqual(settled + 1);
    await other.stop();
  });

  test('what a killed consumer held comes again as the same attempt', async () => {
    const name = await suite.topic();
    await suite.hermes.admin.createGroup({ topic: name, name: 'billing' });
    const killed = await frozenConsumer(name, 'billing');
    await suite.publish(name, texts);
    await eventually(async () => {
      const { lanes } = await suite.hermes.admin.describeGroup(name, 'billing');
      expect(lanes.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(texts.length);
    }, PATIENCE);
    killed.signal('SIGKILL');
    await killed.ended();
    const other = suite.consume(name, 'billing');
    await eventually(async () => {
      expect([...other.seen].sort()).toEqual(texts.map((text) => `${text}#1`).sort());
      expect(await suite.progress(name, 'billing')).toEqual({ lag: 0, dead: 0 });
    }, PATIENCE);
    await other.stop();
  });
}
