import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type KafkaCluster, type KafkaSecurity, startKafka, temporaryDirectory } from '@hermes/testing';

import { KafkaStore } from './kafka-store.js';

jest.setTimeout(60_000);

const BOUNDS = { maxRecords: 10, maxBytes: 1_000 };

describe.each<{ readonly security: KafkaSecurity }>([
  { security: { tls: true } },
  { security: { tls: true, sasl: 'scram-sha-512' } },
])('a Kafka that speaks TLS: $security', ({ security }) => {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'ca');
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ security });
    writeFileSync(path, cluster.clientOptions().ssl!.ca.join('\n'));
  });
  afterAll(async () => {
    await cluster.close();
    directory.remove();
  });

  it('is used by whoever knows its authority', async () => {
    await using store = await KafkaStore.open(cluster, { tls: { ca: `file:${path}` } });
    const partition = await store.partition(1);
    await store.append(partition, 'a', 'b');
    const [log] = partition.lanes;
    const block = await log!.read(log!.nextOffset - 2, BOUNDS);
    expect([block.count, Buffer.from(block.record(1)).toString()]).toEqual([2, 'b']);
    expect((await log!.truncateBefore(log!.nextOffset - 1)).kind).toBe('truncated');
  });

  it('is not used by who does not, and the error says why', async () => {
    await expect(KafkaStore.open(cluster)).rejects.toMatchObject({
      ...{ kind: 'unavailable', message: expect.stringMatching(/certificate/) as string },
    });
  });
});
