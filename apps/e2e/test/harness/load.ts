import { setTimeout as sleep } from 'node:timers/promises';

import { type Delivery, type Hermes, stringCodec } from '@hermes/client';
import { HermesError } from '@hermes/contracts';

import type { Ledger } from './ledger.js';

/** A load of single publishes: the messages of a key one after another, keys side by side. */
export interface PublishLoad {
  readonly topic: string;
  /** Begins the values and keys of this load; unique within the ledger. */
  readonly name: string;
  readonly messages: number;
  readonly keys: number;
  /** How long a key rests between its messages: without a rest the load takes what there is of processor time. */
  readonly restMs?: number;
  /** Told the id of each acknowledged publish, at once. */
  readonly onAcknowledged?: (id: string) => void;
  /** Tells how many publishes have ended. */
  readonly onProgress?: (ended: number) => void;
  readonly signal?: AbortSignal;
}

/** Publishes all of it and writes down what became of each message. Nothing is published twice. */
export async function publishLoad(hermes: Hermes, ledger: Ledger, load: PublishLoad): Promise<void> {
  const producer = hermes.producer(load.topic, { codec: stringCodec });
  const { restMs } = load;
  const rest = restMs === undefined ? () => Promise.resolve() : () => sleep(restMs);
  let ended = 0;
  const publishKey = async (keyIndex: number): Promise<void> => {
    const key = `${load.name}-key-${keyIndex}`;
    for (let i = keyIndex; i < load.messages && load.signal?.aborted !== true; i += load.keys) {
      const value = `${load.name}-${i}`;
      ledger.invoke(value, key);
      try {
        const { id } = await producer.publish(value, { key });
        ledger.acknowledge(value, id ?? '');
        load.onAcknowledged?.(id ?? '');
      } catch (error) {
        ledger.fail(value, isDefinite(error) ? 'refused' : 'unknown');
        if (error instanceof HermesError && error.code === 'DRAINING') {
          // The client was closed: what follows would be refused at once, for ever.
          return;
        }
      }
      ended += 1;
      load.onProgress?.(ended);
      await rest();
    }
  };
  await Promise.all(Array.from({ length: load.keys }, (_, index) => publishKey(index)));
}

function isDefinite(error: unknown): boolean {
  return error instanceof HermesError && error.code !== 'OUTCOME_UNKNOWN';
}

/** A consumer that writes down each delivery; it acknowledges what `handle` lets pass. */
export interface ConsumeLoad {
  readonly topic: string;
  readonly group: string;
  readonly name: string;
  readonly concurrency?: number;
  readonly handle?: (delivery: Delivery<string>) => unknown;
}

/** Starts a consumer that runs until it is stopped. */
export function startConsumer(hermes: Hermes, ledger: Ledger, load: ConsumeLoad): { stop(): Promise<void> } {
  const consumer = hermes.consumer(load.topic, load.group, {
    name: load.name,
    concurrency: load.concurrency ?? 200,
    codec: stringCodec,
  });
  const running = consumer.run((delivery) => {
    const { id, body, message, attempt } = delivery;
    ledger.deliver(load.group, { value: body, id, key: message.key, attempt, consumer: load.name });
    return load.handle?.(delivery);
  });
  return {
    stop: async () => {
      await consumer.drain({ deadlineMs: 5_000 });
      await running;
    },
  };
}
