// Raw kafkajs, its producer idempotent: the records' values alone, in batches to each partition of a topic, and the same read
// by its consumer.

import kafkajs from 'kafkajs';

import { encodedMessage, PARTITIONS } from '../shapes.mjs';
import { countPerSecond } from './rate.mjs';

const { Kafka, logLevel, Partitioners } = kafkajs;

/** Records of each partition that are read again and again. */
const READ_RECORDS = 50_000;
const READ_BATCH = 1000;

const value = Buffer.from(encodedMessage);
const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);

async function makeTopic(kafka, topic, configEntries) {
  const admin = kafka.admin();
  await admin.connect();
  const shape = { topic, numPartitions: PARTITIONS, replicationFactor: 1, configEntries };
  await admin.createTopics({ waitForLeaders: true, topics: [shape] });
  await admin.disconnect();
}

/**
 * Sends `batchRecords` to each partition at a time, by so many senders, while `goesOn(records of a partition)`; counts
 * what is acknowledged.
 */
async function produce(kafka, topic, { batchRecords, senders, goesOn, count = () => undefined }) {
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  let sent = 0;
  const send = async () => {
    while (goesOn(sent)) {
      sent += batchRecords;
      const messages = partitions.flatMap((partition) =>
        Array.from({ length: batchRecords }, () => ({ partition, value })),
      );
      await producer.send({ topic, acks: -1, messages });
      count(messages.length);
    }
  };
  await Promise.all(Array.from({ length: senders }, send));
  await producer.disconnect();
}

async function produceFor(kafka, topic, { warmUpMs, measureMs, ...shape }) {
  let [goesOn, ended] = [true, undefined];
  const load = (count) => {
    ended = produce(kafka, topic, { ...shape, count, goesOn: () => goesOn });
  };
  const { rate } = await countPerSecond(load, { warmUpMs, measureMs });
  goesOn = false;
  await ended;
  return rate;
}

async function consumeFor(kafka, topic, { warmUpMs, measureMs }) {
  await produce(kafka, topic, { batchRecords: READ_BATCH, senders: 1, goesOn: (sent) => sent < READ_RECORDS });
  const consumer = kafka.consumer({ groupId: topic });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let count = () => undefined;
  const joined = new Promise((resolve) => {
    void consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: ({ batch }) => {
        resolve();
        count(batch.messages.length);
        if (Number(batch.lastOffset()) + 1 >= READ_RECORDS) {
          consumer.seek({ topic, partition: batch.partition, offset: '0' });
        }
      },
    });
  });
  await joined;
  const load = (counter) => {
    count = counter;
  };
  const { rate } = await countPerSecond(load, { warmUpMs, measureMs });
  await consumer.disconnect();
  return rate;
}

/** Produced, or consumed, records per second. */
export async function run({ kind, brokers, topic, config, ...shape }) {
  const kafka = new Kafka({ clientId: 'bench', brokers, logLevel: logLevel.NOTHING });
  await makeTopic(kafka, topic, config);
  return (kind === 'consume' ? consumeFor : produceFor)(kafka, topic, shape);
}
