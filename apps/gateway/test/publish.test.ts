import { fromServiceError, HermesError, type PublishStreamResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { codesOf, GatewayCluster, message, metadata, options } from './gateway-cluster.js';

describe('publishing through a gateway', () => {
  let cluster: GatewayCluster;

  beforeEach(async () => {
    cluster = new GatewayCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('sends each message to the owner of its partition and answers in order', async () => {
    const bodies = Array.from({ length: 60 }, (_, index) => String(index));
    const response = await cluster.publish({
      topic: 't',
      messages: bodies.map((body) => message(body, `key-${body}`)),
    });
    expect(new Set(codesOf(response))).toEqual(new Set(['messageId']));
    const stored = cluster.brokers.flatMap((broker) => broker.stored);
    expect(stored.map(({ body }) => Number(body)).sort((a, b) => a - b)).toEqual(bodies.map(Number));
    response.results.forEach(({ outcome }, index) => {
      const partition = Number((outcome as { value: string }).value.split('/')[1]);
      expect(stored.find(({ body }) => body === String(index))?.partition).toBe(partition);
    });
  });

  it('lets the other messages stand when one is refused at its edge and one by its owner', async () => {
    for (const broker of cluster.brokers) {
      broker.refuse = (body) => (body === 'big' ? new HermesError('MESSAGE_TOO_LARGE', 'too big') : undefined);
    }
    const messages = [message('a'), message('big'), message('c', 'k'.repeat(256)), message('d')];
    expect(codesOf(await cluster.publish({ topic: 't', messages }))).toEqual([
      'messageId',
      'MESSAGE_TOO_LARGE',
      'INVALID_FIELD',
      'messageId',
    ]);
  });

  it.each([
    ['an empty topic', { topic: '', messages: [message('a')] }, 'INVALID_FIELD'],
    ['an over-long topic', { topic: 't'.repeat(201), messages: [message('a')] }, 'INVALID_FIELD'],
    ['an unknown topic', { topic: 'unknown', messages: [message('a')] }, 'TOPIC_NOT_FOUND'],
    ['no message', { topic: 't', messages: [] }, 'INVALID_FIELD'],
    ['too many messages', { topic: 't', messages: Array.from({ length: 1_001 }, () => message('a')) }, 'INVALID_FIELD'],
    ['a negative partition', { topic: 't', messages: [message('a')], partition: -1 }, 'INVALID_FIELD'],
    ['a partition that the topic lacks', { topic: 't', messages: [message('a')], partition: 3 }, 'INVALID_FIELD'],
    [
      'a producer without a partition',
      { topic: 't', messages: [message('a')], producerId: 1, firstSequence: 1 },
      'INVALID_FIELD',
    ],
  ])('refuses %s', async (_, request, code) => {
    await expect(cluster.publish(request)).rejects.toMatchObject({ code });
  });

  it('answers PARTITION_MOVING within the deadline when the owner is gone', async () => {
    await cluster.brokers[1].kill();
    await expect(cluster.publish({ topic: 't', messages: [message('a')], partition: 1 }, 700)).rejects.toMatchObject({
      code: 'PARTITION_MOVING',
    });
  });

  it('answers the requests of a stream in order, and ends it with a retryable failure', async () => {
    cluster.brokers[0].refuse = (body) => (body === 'bad' ? new HermesError('OUTCOME_UNKNOWN', 'in doubt') : undefined);
    // What is in doubt goes again until a moment before the stream's deadline.
    const stream = cluster.client.publishStream(metadata, { deadline: Date.now() + 2_000 });
    const responses: PublishStreamResponse[] = [];
    let error: HermesError | undefined;
    stream.on('data', (response: PublishStreamResponse) => responses.push(response));
    stream.on('error', (thrown) => {
      error = fromServiceError(thrown);
    });
    for (const body of ['a', 'b', 'bad']) {
      stream.write({ topic: 't', messages: [message(body)], partition: 0 });
    }
    await eventually(() => {
      expect(error?.code).toBe('OUTCOME_UNKNOWN');
    });
    expect(responses.map(codesOf)).toEqual([['messageId'], ['messageId'], ['OUTCOME_UNKNOWN']]);
  });

  it('gives up what was not sent when its caller leaves', async () => {
    await cluster.brokers[1].kill();
    const request = { topic: 't', messages: [message('left')], partition: 1 };
    const call = cluster.client.publish(request, metadata, options(60_000), () => undefined);
    await eventually(async () => {
      expect(await cluster.queuedBytes()).toBeGreaterThan(0);
    });
    call.cancel();
    await eventually(async () => {
      expect(await cluster.queuedBytes()).toBe(0);
    });
  });

  it('ends streams with DRAINING when it stops, once what it has read is answered', async () => {
    const stream = cluster.client.publishStream(metadata, {});
    const responses: PublishStreamResponse[] = [];
    let error: HermesError | undefined;
    stream.on('data', (response: PublishStreamResponse) => responses.push(response));
    stream.on('error', (thrown) => {
      error = fromServiceError(thrown);
    });
    stream.write({ topic: 't', messages: [message('a')], partition: 0 });
    await eventually(() => {
      expect(responses).toHaveLength(1);
    });
    await cluster.gateway.stop({ deadlineMs: 60_000 });
    await eventually(() => {
      expect(error?.code).toBe('DRAINING');
    });
  });
});
