import { credentials, Metadata } from '@grpc/grpc-js';
import { Message, RawMessagingClient } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import type { BrokerProcess } from './cluster.js';

interface Placed {
  readonly partition: number;
  readonly broker: string;
}

const probe = Message.encode(Message.fromPartial({ attributes: new Map([['probe', '1']]) })).finish();

/** One direct publish to one partition; true if it was stored. */
function publishOnce(client: RawMessagingClient, topic: string, partition: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + 5_000 };
    client.publish({ topic, messages: [probe], partition }, new Metadata(), options, (error, response) => {
      resolve(error === null && response.results[0]?.outcome?.$case === 'messageId');
    });
  });
}

/**
 * Publishes without a pause to the partitions of one broker, directly.
 * `stop` gives the longest time in ms between two successes in one partition.
 */
export function watchPauses(
  broker: BrokerProcess,
  topic: string,
  partitions: readonly Placed[],
): { stop(): Promise<number> } {
  const client = new RawMessagingClient(broker.endpoint, credentials.createInsecure());
  let stopped = false;
  let worstMs = 0;
  const watch = async (partition: number): Promise<void> => {
    let lastAt = performance.now();
    while (!stopped) {
      if (await publishOnce(client, topic, partition)) {
        const now = performance.now();
        worstMs = Math.max(worstMs, now - lastAt);
        lastAt = now;
      }
    }
    worstMs = Math.max(worstMs, performance.now() - lastAt);
  };
  const watches = partitions.filter((placed) => placed.broker === broker.name).map(({ partition }) => watch(partition));
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(watches);
      client.close();
      return worstMs;
    },
  };
}

/** Time in ms, from now, until every partition of the broker takes a publish. */
export async function servedAgainMs(topic: string, broker: BrokerProcess, before: readonly Placed[]): Promise<number> {
  const startedAt = performance.now();
  const client = new RawMessagingClient(broker.endpoint, credentials.createInsecure());
  const mine = before.filter((placed) => placed.broker === broker.name);
  await Promise.all(
    mine.map(({ partition }) =>
      eventually(() => publishOnce(client, topic, partition), { deadlineMs: 60_000, intervalMs: 20 }),
    ),
  );
  const tookMs = performance.now() - startedAt;
  client.close();
  return tookMs;
}
