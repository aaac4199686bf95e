import { credentials, makeClientConstructor, type ServiceError, status } from '@grpc/grpc-js';
import { GetTopicResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { service as healthService } from 'grpc-health-check';
import { failure, rawUnary, startEdge, unary, untilAborted } from '../../test/edge-harness.js';
import { createGrpcServer } from './grpc-server.js';
import { silentLogger } from '../logger.js';
import { createMetrics } from '../metrics.js';

const topicResponse = (name: string): GetTopicResponse => GetTopicResponse.fromPartial({ topic: { name } });

describe('the server', () => {
  const HealthClient = makeClientConstructor(healthService, 'Health');
  type Check = (
    request: { service: string },
    done: (error: ServiceError | null, value: { status: string }) => void,
  ) => void;

  it('tells the health of each service and of the whole, and ends watches when it stops', async () => {
    const edge = await startEdge({});
    const client = new HealthClient(`127.0.0.1:${edge.port}`, credentials.createInsecure());
    const check = async (name: string): Promise<string> => {
      const call = (client['Check'] as Check).bind(client);
      return (
        await unary<{ status: string }>((done) => {
          call({ service: name }, done);
        })
      ).status;
    };
    const admin = 'hermes.admin.v1.AdminService';
    expect(await check('')).toBe('NOT_SERVING');
    edge.server.setServing(admin, true);
    expect(await check(admin)).toBe('SERVING');
    expect(await check('')).toBe('NOT_SERVING');
    edge.server.setServing('', true);
    expect(await check('')).toBe('SERVING');
    expect((await failure(check('nothing'))).code).toBe(status.NOT_FOUND);

    const seen: string[] = [];
    const watch = (client['Watch'] as (request: object) => NodeJS.ReadableStream).call(client, { service: admin });
    const ended = new Promise((resolve) => {
      watch.on('data', (one) => seen.push((one as unknown as { status: string }).status)).on('end', resolve);
    });
    await eventually(() => seen.length === 1);
    await edge.server.stop(5_000);
    await ended;
    expect(seen).toEqual(['SERVING', 'NOT_SERVING']);
    client.close();
    await edge[Symbol.asyncDispose]();
  });

  it('names the address that another process has, with exit code 69', async () => {
    await using edge = await startEdge({});
    const second = createGrpcServer({ logger: silentLogger, metrics: createMetrics('second') });
    await expect(second.listen('127.0.0.1', edge.port)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining(`127.0.0.1:${edge.port} is in use`) as string,
    });
    await second.stop(0);
  });

  it('lets running calls end when it stops, and cuts those that outlast the deadline', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let running = 0;
    const edge = await startEdge({
      getTopic: async () => {
        running += 1;
        await gate;
        return topicResponse('late');
      },
      watchRoutes: (_request, stream) => {
        running += 1;
        return untilAborted(stream.signal);
      },
    });
    const late = unary<GetTopicResponse>((done) => edge.admin.getTopic({ topic: 'a' }, done));
    const cut = new Promise<ServiceError>((resolve) => {
      edge.coordination
        .watchRoutes({ topics: [] })
        .on('data', () => undefined)
        .on('error', resolve as never);
    });
    await eventually(() => running === 2);
    const stopped = edge.server.stop(200);
    release();
    expect((await late).topic?.name).toBe('late');
    await stopped;
    expect([status.CANCELLED, status.UNAVAILABLE]).toContain((await cut).code);
    await edge[Symbol.asyncDispose]();
  });

  it('refuses messages above the transport limit with RESOURCE_EXHAUSTED', async () => {
    await using edge = await startEdge({ getTopic: () => Promise.resolve(topicResponse('a')) });
    const error = await failure(
      rawUnary(edge.port, '/hermes.admin.v1.AdminService/GetTopic', Buffer.alloc(10 * 1_048_576 + 1)),
    );
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('counts calls by method and code', async () => {
    await using edge = await startEdge({ getTopic: () => Promise.resolve(topicResponse('a')) });
    await unary((done) => edge.admin.getTopic({ topic: 'a' }, done));
    await failure(unary((done) => edge.admin.rebalance({ dryRun: true }, done)));
    const text = await edge.metrics.text();
    expect(text).toContain('hermes_test_grpc_calls_total{method="/hermes.admin.v1.AdminService/GetTopic",code="OK"} 1');
    expect(text).toContain('Rebalance",code="UNIMPLEMENTED"} 1');
  });
});

/** A request that no gRPC client would send; gives grpc-status. */
