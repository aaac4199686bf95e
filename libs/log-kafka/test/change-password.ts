import { pbkdf2Sync, randomBytes } from 'node:crypto';

import type { KafkaCluster } from '@hermes/testing';
import { logLevel } from 'kafkajs';
import Encoder from 'kafkajs/src/protocol/encoder.js';

import { KafkaCluster as Connections } from '../src/kafka-cluster.js';

const ALTER_USER_SCRAM_CREDENTIALS = 51;
const SCRAM_SHA_512 = 2;
const ITERATIONS = 4_096;

/** Changes the password of `admin`, who does it: kafkajs has no call for that. */
export async function changePassword(cluster: KafkaCluster, password: string): Promise<void> {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512');
  const change = new Encoder()
    .writeUVarIntString('admin')
    .writeInt8(SCRAM_SHA_512)
    .writeInt32(ITERATIONS)
    .writeUVarIntBytes(salt)
    .writeUVarIntBytes(salted)
    .writeUVarIntBytes();
  const connections = new Connections({ ...cluster.clientOptions(), logLevel: logLevel.NOTHING });
  try {
    await connections.connect();
    const broker = await connections.anyBroker();
    await broker.connectionPool.send({
      request: {
        ...{ apiKey: ALTER_USER_SCRAM_CREDENTIALS, apiVersion: 0, apiName: 'AlterUserScramCredentials' },
        // Tags, nothing to delete, what to change, tags.
        encode: () =>
          Promise.resolve(
            new Encoder().writeUVarIntBytes().writeUVarIntArray([]).writeUVarIntArray([change]).writeUVarIntBytes(),
          ),
      },
      response: {
        decode: (bytes: Buffer) => Promise.resolve(bytes),
        parse: (bytes: Buffer) => {
          // Tags, throttling, one result: its user, and the error.
          const error = bytes.readInt16BE(1 + 4 + 1 + 1 + 'admin'.length);
          return error === 0 ? Promise.resolve(bytes) : Promise.reject(new Error(`Kafka says ${error}`));
        },
      },
    });
  } finally {
    await connections.close();
  }
}
