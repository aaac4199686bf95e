import type { Broker, BrokerCall } from 'kafkajs/src/cluster/index.js';
import apiKeys from 'kafkajs/src/protocol/requests/apiKeys.js';
import { requests } from 'kafkajs/src/protocol/requests/index.js';

import { encodeProduce, type ProduceRequest } from './produce-request.js';

/** Where the batches are, or why not. */
export interface Produced {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      /** 0 = it is stored. */
      readonly errorCode: number;
      readonly baseOffset: string;
    }[];
  }[];
}

/** Appends batches. Rejects as kafkajs does if there is no answer. */
export async function sendProduce(broker: Broker, request: ProduceRequest): Promise<Produced> {
  const { timeoutMs: timeout, producerId, producerEpoch } = request;
  const lookedUp = broker.lookupRequest(apiKeys.Produce, requests.Produce);
  const call = lookedUp({ acks: -1, timeout, producerId, producerEpoch, topicData: [] });
  // kafkajs would encode a request from objects; this one has its bytes.
  const encode = (): Promise<{ buf: Buffer; buffer: Buffer }> => {
    const buffer = encodeProduce(request);
    return Promise.resolve({ buf: buffer, buffer });
  };
  return (await sendCall(broker, { ...call, request: { ...call.request, encode } })) as Produced;
}

/** As kafkajs' brokers send: one whose connection is closed is to be connected anew. Rejects as kafkajs does. */
export async function sendCall(broker: Broker, call: BrokerCall): Promise<unknown> {
  try {
    return await broker.connectionPool.send(call);
  } catch (error) {
    if (error instanceof Error && error.name === 'KafkaJSConnectionClosedError') {
      await broker.disconnect();
    }
    throw error;
  }
}
