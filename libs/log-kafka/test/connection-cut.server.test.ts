import { join } from 'node:path';

import { RECORD_KIND } from '@hermes/log';
import { eventually, FaultProxy, type KafkaCluster, startKafka } from '@hermes/testing';
import { loadWithBug } from '@hermes/testing/planted-bug';

import type { openKafkaEngine } from '../src/index.js';
import { KafkaStore, RECOVERY } from './kafka-store.js';

const SOURCES = join(__dirname, '..', 'src', 'index.ts');
const ROUNDS = 5;

jest.setTimeout(180_000);

describe('a store whose connections to Kafka are cut', () => {
  let proxy: FaultProxy;
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({
      proxy: async (port) => {
        proxy = await FaultProxy.open({ host: '127.0.0.1', port });
        return proxy.port;
      },
    });
  });
  afterAll(async () => {
    await cluster.close();
    await proxy.close();
  });

  it.each([
    ['before all of a request has arrived', 'requests', 64],
    ['when all has arrived, and the answer is lost', 'replies', 1],
  ] as const)('loses nothing and stores nothing twice when that happens %s', async (name, direction, bytes) => {
    await using store = await KafkaStore.open(cluster);
    const topicId = name.length;
    const partitions = [0, 1, 2].map((partition) => store.partition(topicId, partition, 3));
    const writing = store.write(await Promise.all(partitions));
    for (let round = 0; round < ROUNDS; round += 1) {
      await store.goesOn(writing, 5);
      proxy.resetAfter(direction, bytes);
    }
    await store.goesOn(writing, 5);
    await writing.stop();
    expect(store.refusals).toContain('inDoubt');
    const texts = (await Promise.all(partitions.map((_, partition) => store.texts(topicId, partition)))).flat();
    expect(texts).toHaveLength(new Set(texts).size);
    expect([...texts].sort()).toEqual([...store.acknowledged.get(topicId)!].sort());
  });

  /** An append is stored, but its answer is lost; nobody waits for it; the lane is opened anew. What Kafka then has. */
  async function reopenedInDoubt(topicId: number, open?: typeof openKafkaEngine): Promise<string[]> {
    await using store = await KafkaStore.open(cluster, open === undefined ? {} : { open });
    const first = await store.partition(topicId);
    await store.append(first, 'first');
    proxy.set({ refuse: true });
    proxy.resetAfter('replies', 1);
    const lost = await first.lanes[0]!.append(store.batch('lost'));
    expect(lost.kind).toBe('inDoubt');
    const outcome = lost.kind === 'inDoubt' ? lost.resolution.catch((error: unknown) => String(error)) : lost.kind;
    await first.close();
    expect(await outcome).toContain('was closed before Kafka had answered');
    proxy.heal();
    const second = await eventually(() => store.partition(topicId), RECOVERY);
    expect((await store.append(second, 'next'))?.kind).toBe('appended');
    const records = await store.records(topicId);
    return records.map(({ kind, epoch, text }) => (kind === RECORD_KIND.message ? text : `fence ${epoch}`));
  }

  it('uses no numbers of a batch that may be stored for another batch', async () => {
    const records = await reopenedInDoubt(1);
    expect(records.filter((text) => !text.startsWith('fence'))).toEqual(['first', 'lost', 'next']);
    expect(records.at(-2)).toMatch(/^fence [2-9]/);
  });

  it('would take the next owner’s fence for the lost batch if it kept its identity', async () => {
    const bug = { file: 'producers.ts', code: "produce.signal.addEventListener('abort', forget);", instead: '' };
    const { openKafkaEngine: open } = loadWithBug(SOURCES, bug) as { openKafkaEngine: typeof openKafkaEngine };
    expect(await reopenedInDoubt(2, open)).toEqual(['fence 1', 'first', 'lost', 'next']);
  });
});
