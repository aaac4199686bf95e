import { type ServiceError, status } from '@grpc/grpc-js';
import { fromServiceError, HermesError, GetTopicResponse, invalidField } from '@hermes/contracts';
import { InvariantError } from '@hermes/runtime';
import { failure, rawUnary, startEdge, unary } from '../../test/edge-harness.js';

const topicResponse = (name: string): GetTopicResponse => GetTopicResponse.fromPartial({ topic: { name } });

describe('errors', () => {
  it('answers a HermesError with its status, reason and details', async () => {
    await using edge = await startEdge({
      getTopic: () =>
        Promise.reject(new HermesError('NOT_OWNER', 'orders/3 is owned elsewhere', { details: { endpoint: 'b:1' } })),
    });
    const error = await failure(unary((done) => edge.admin.getTopic({ topic: 'orders' }, done)));
    expect(error.code).toBe(status.FAILED_PRECONDITION);
    expect(fromServiceError(error)).toMatchObject({
      code: 'NOT_OWNER',
      message: 'orders/3 is owned elsewhere',
      details: { endpoint: 'b:1' },
    });
  });

  it('names the field that was refused', async () => {
    await using edge = await startEdge({ getTopic: () => Promise.reject(invalidField('topic', 'must be given')) });
    const error = fromServiceError(await failure(unary((done) => edge.admin.getTopic({ topic: '' }, done))));
    expect(error).toMatchObject({ code: 'INVALID_FIELD', violations: [{ field: 'topic' }] });
  });

  it('hides the text of anything else, logs it once and never answers UNKNOWN', async () => {
    await using edge = await startEdge({
      getTopic: () => {
        throw new Error('SELECT secret FROM topics');
      },
      watchRoutes: () => Promise.reject(new TypeError('secret of a stream')),
    });
    const error = await failure(unary((done) => edge.admin.getTopic({ topic: 'a' }, done)));
    expect(fromServiceError(error)).toMatchObject({ code: 'BUG', status: status.INTERNAL });
    expect(JSON.stringify(error)).not.toContain('secret');
    const streamError = await new Promise<ServiceError>((resolve) => {
      edge.coordination
        .watchRoutes({ topics: [] })
        .on('data', () => undefined)
        .on('error', resolve as never);
    });
    expect(fromServiceError(streamError).code).toBe('BUG');
    expect(streamError.details).not.toContain('secret');
    expect(edge.logs.filter((line) => line['level'] === 'error')).toHaveLength(2);
  });

  it('answers a broken invariant as BUG and hands it on, to end the process', async () => {
    const broken: Error[] = [];
    await using edge = await startEdge(
      { getTopic: () => Promise.reject(new InvariantError('floor went back')) },
      { onInvariant: (error) => broken.push(error) },
    );
    const error = await failure(unary((done) => edge.admin.getTopic({ topic: 'a' }, done)));
    expect(fromServiceError(error).code).toBe('BUG');
    expect(broken.map((one) => one.message)).toEqual(['floor went back']);
  });

  it('sends messages that are long or no well-formed Unicode', async () => {
    const texts = ['\uD800 alone', 'x'.repeat(20_000)];
    await using edge = await startEdge({
      getTopic: (request) => Promise.reject(invalidField('topic', texts[Number(request.topic)]!)),
    });
    for (const topic of ['0', '1']) {
      const error = await failure(unary((done) => edge.admin.getTopic({ topic }, done)));
      expect(fromServiceError(error).code).toBe('INVALID_FIELD');
    }
  });

  it('names the call of a later release, and leaves unknown methods and services to gRPC', async () => {
    await using edge = await startEdge({});
    const error = await failure(unary((done) => edge.admin.rebalance({ dryRun: true }, done)));
    expect(fromServiceError(error)).toMatchObject({ code: 'NOT_IMPLEMENTED', status: status.UNIMPLEMENTED });
    expect(error.details).toContain('rebalance');
    for (const path of ['/hermes.admin.v1.AdminService/Nothing', '/hermes.nothing.v1.Nothing/Nothing']) {
      const unknown = await failure(rawUnary(edge.port, path, Buffer.alloc(0)));
      expect(unknown.code).toBe(status.UNIMPLEMENTED);
    }
  });

  it('refuses bytes that are no request with INTERNAL', async () => {
    await using edge = await startEdge({ getTopic: () => Promise.resolve(topicResponse('a')) });
    const error = await failure(rawUnary(edge.port, '/hermes.admin.v1.AdminService/GetTopic', Buffer.from([0x0a, 99])));
    expect(error.code).toBe(status.INTERNAL);
  });
});

describe('the size of requests', () => {
  it('ends at 4 MiB unless a method says otherwise, and is refused by name', async () => {
    await using edge = await startEdge({ getTopic: () => Promise.resolve(topicResponse('a')) });
    const path = '/hermes.admin.v1.AdminService/GetTopic';
    const padded = (size: number): Buffer => {
      // An unknown field, with a tag of one byte and a length of four.
      const head = [
        0x7a,
        (size & 0x7f) | 0x80,
        ((size >>> 7) & 0x7f) | 0x80,
        ((size >>> 14) & 0x7f) | 0x80,
        size >>> 21,
      ];
      return Buffer.concat([Buffer.from(head), Buffer.alloc(size)]);
    };
    await rawUnary(edge.port, path, padded(4 * 1_048_576 - 5));
    const error = await failure(rawUnary(edge.port, path, padded(4 * 1_048_576 - 4)));
    expect(fromServiceError(error)).toMatchObject({
      code: 'INVALID_FIELD',
      violations: [{ field: 'request', description: 'at most 4194304 bytes' }],
    });
  });
});

/** A request that no gRPC client would send; gives grpc-status. */
