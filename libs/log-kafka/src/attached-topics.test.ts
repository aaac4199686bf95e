import { OpeningGate, type OpenPartitionRequest } from '@hermes/log';
import { FakeClock } from '@hermes/testing';

import { AttachedTopics } from './attached-topics.js';
import type { KafkaTopics, TopicFacts } from './kafka-topics.js';

const REQUEST: OpenPartitionRequest = {
  ...{ topicId: 7, partition: 0, epoch: 1, incarnation: 1, lanes: 1, created: true },
  shape: { partitions: 1, attached: { topic: 'shop', readOnly: false } },
};

/** A Kafka with one topic, whose id a test may change. */
function make() {
  const kafka: { id: string | undefined; partitions: number } = { id: 'a', partitions: 1 };
  const problems: string[] = [];
  const topics: Pick<KafkaTopics, 'isOwn' | 'find' | 'idOf'> = {
    isOwn: () => false,
    find: () => Promise.resolve({ partitions: kafka.partitions } as TopicFacts),
    idOf: () => Promise.resolve(kafka.id),
  };
  const onProblem = (problem: string): void => void problems.push(problem);
  return { kafka, problems, attached: new AttachedTopics({ topics, clock: new FakeClock(), onProblem }) };
}

describe('AttachedTopics', () => {
  it('loses what is open of a topic that has become another one, and opens the other one', async () => {
    const { kafka, attached } = make();
    const [open, closed, next] = [new OpeningGate('open'), new OpeningGate('closed'), new OpeningGate('next')];
    expect(await attached.find(REQUEST, open)).toMatchObject({ kafkaTopicId: 'a' });
    await attached.find(REQUEST, closed);
    await closed.close();
    await attached.look();
    expect(open.refusal).toBeUndefined();
    kafka.id = 'b';
    await attached.look();
    expect((await open.lost).message).toBe('open is lost: the Kafka topic shop was deleted and made anew');
    expect(closed.refusal?.message).toBe('closed is closed');
    expect(await attached.find(REQUEST, next)).toMatchObject({ kafkaTopicId: 'b' });
    await attached.look();
    expect(next.refusal).toBeUndefined();
  });

  it('loses nothing while Kafka does not tell which topic it is', async () => {
    const { kafka, attached } = make();
    const open = new OpeningGate('open');
    await attached.find(REQUEST, open);
    kafka.id = undefined;
    await attached.look();
    expect(open.refusal).toBeUndefined();
  });

  it('tells a problem once, and opens nothing until it is over', async () => {
    const { kafka, problems, attached } = make();
    kafka.partitions = 2;
    await expect(attached.find(REQUEST, new OpeningGate('one'))).rejects.toMatchObject({ kind: 'unavailable' });
    await attached.look();
    expect(problems).toEqual([attached.problem]);
    kafka.partitions = 1;
    await attached.look();
    expect(attached.problem).toBeUndefined();
  });
});
