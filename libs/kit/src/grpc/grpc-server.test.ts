import { connect } from 'node:http2';
import { Client, credentials, makeClientConstructor, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  fromServiceError,
  HermesError,
  GetTopicResponse,
  invalidField,
  type HoldBrokerLeaseResponse,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { InvariantError } from '@hermes/runtime';
import { service as healthService } from 'grpc-health-check';
import { failure, startEdge, unary } from '../../test/edge-harness.js';
import { createGrpcServer } from './grpc-server.js';
import { silentLogger } from '../logger.js';
import { createMetrics } from '../metrics.js';
import { type Call, type ResponseStream } from './handlers.js';

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

describe('deadlines and cancelling', () => {
  it('tells the handler how long its caller waits', async () => {
    const seen: number[] = [];
    await using edge = await startEdge({
      getTopic: (_request, call) => {
        seen.push(call.deadlineMs);
        return Promise.resolve(topicResponse('a'));
      },
    });
    await unary((done) => edge.admin.getTopic({ topic: 'a' }, done));
    await unary((done) => edge.admin.getTopic({ topic: 'a' }, new Metadata(), { deadline: Date.now() + 5_000 }, done));
    expect(seen[0]).toBeGreaterThan(25_000);
    expect(seen[0]).toBeLessThanOrEqual(30_000);
    expect(seen[1]).toBeLessThanOrEqual(5_000);
  });

  it('ends a call without a deadline after the default one', async () => {
    let seen: Call | undefined;
    await using edge = await startEdge(
      {
        getTopic: (_request, call) => {
          seen = call;
          return untilAborted(call.signal);
        },
      },
      { unaryDeadlineMs: 30 },
    );
    const error = await failure(unary((done) => edge.admin.getTopic({ topic: 'a' }, done)));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(seen?.signal.aborted).toBe(true);
  });

  it('does not run the handler when the deadline has passed', async () => {
    let ran = false;
    await using edge = await startEdge({
      getTopic: () => {
        ran = true;
        return Promise.resolve(topicResponse('a'));
      },
    });
    const code = await http2Unary(edge.port, '/hermes.admin.v1.AdminService/GetTopic', { 'grpc-timeout': '0m' });
    expect(code).toBe(String(status.DEADLINE_EXCEEDED));
    expect(ran).toBe(false);
  });

  it('aborts the signal when the caller cancels', async () => {
    let seen: Call | undefined;
    await using edge = await startEdge({
      getTopic: (_request, call) => {
        seen = call;
        return untilAborted(call.signal);
      },
    });
    let cancel: (() => void) | undefined;
    const outcome = unary((done) => {
      const call = edge.admin.getTopic({ topic: 'a' }, done);
      cancel = () => {
        call.cancel();
      };
    });
    const ended = failure(outcome);
    await eventually(() => seen !== undefined);
    cancel?.();
    expect((await ended).code).toBe(status.CANCELLED);
    await eventually(() => seen?.signal.aborted === true);
    expect(edge.logs).toEqual([]);
  });

  it('leaves the signal alone after a normal end', async () => {
    let seen: Call | undefined;
    await using edge = await startEdge({
      getTopic: (_request, call) => {
        seen = call;
        call.signal.throwIfAborted();
        return Promise.resolve(topicResponse('a'));
      },
    });
    await unary((done) => edge.admin.getTopic({ topic: 'a' }, done));
    await unary((done) => edge.admin.getTopic({ topic: 'b' }, done));
    expect(seen?.signal.aborted).toBe(false);
  });
});

describe('streams', () => {
  const frame = (version: number, bytes = 0): WatchRoutesResponse => ({
    version,
    snapshot: false,
    topics: bytes === 0 ? [] : [{ topic: 'x'.repeat(bytes), partitionCount: 1, routes: [] }],
  });

  it('reports backpressure and holds a bounded amount for a peer that does not read', async () => {
    let stream: ResponseStream<WatchRoutesResponse> | undefined;
    let writes = 0;
    let peakBytes = 0;
    await using edge = await startEdge({
      watchRoutes: async (_request, opened) => {
        stream = opened;
        for (let version = 1; version <= 400; version += 1) {
          const room = opened.write(frame(version, 100_000));
          writes = version;
          peakBytes = Math.max(peakBytes, opened.bufferedBytes);
          if (!room) {
            await opened.drained();
          }
        }
      },
    });
    const call = edge.coordination.watchRoutes({ topics: [] });
    await eventually(() => (stream?.bufferedBytes ?? 0) >= 1_000_000);
    const writesWhilePaused = writes;
    expect(writesWhilePaused).toBeLessThan(400);
    const received: number[] = [];
    for await (const message of call) {
      received.push((message as WatchRoutesResponse).version);
    }
    expect(received).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
    expect(peakBytes).toBeLessThan(1_048_576 + 110_000);
    expect(stream?.bufferedBytes).toBe(0);
  });

  it('rejects drained() when the caller goes away, and drops later frames', async () => {
    let stream: ResponseStream<WatchRoutesResponse> | undefined;
    let ended: unknown;
    await using edge = await startEdge({
      watchRoutes: async (_request, opened) => {
        stream = opened;
        try {
          for (;;) {
            if (!opened.write(frame(1, 100_000))) {
              await opened.drained();
            }
          }
        } catch (error) {
          ended = error;
          throw error;
        }
      },
    });
    const call = edge.coordination.watchRoutes({ topics: [] });
    call.on('error', () => undefined);
    await eventually(() => stream !== undefined && stream.bufferedBytes > 1_000_000);
    call.cancel();
    await eventually(() => ended !== undefined);
    expect(ended).toBe(stream?.signal.reason);
    expect(stream?.write(frame(2))).toBe(false);
    expect(edge.logs).toEqual([]);
  });

  it('reads requests no faster than they are asked for, and ends when the handler returns', async () => {
    const read: number[] = [];
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using edge = await startEdge({
      holdBrokerLease: async (stream) => {
        for await (const request of stream) {
          if (request.kind?.$case === 'heartbeat') {
            read.push(request.kind.value.sequence);
            stream.write(grant(request.kind.value.sequence));
          }
          await gate;
        }
      },
    });
    const call = edge.coordination.holdBrokerLease();
    const answers: (number | undefined)[] = [];
    const done = new Promise<void>((resolve, reject) => {
      call
        .on('data', (response: HoldBrokerLeaseResponse) => {
          answers.push(response.kind?.$case === 'grant' ? response.kind.value.sequence : undefined);
        })
        .on('end', resolve)
        .on('error', reject);
    });
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      call.write({ kind: { $case: 'heartbeat', value: { sequence } } });
    }
    call.end();
    await eventually(() => read.length === 1);
    expect(read).toEqual([1]);
    release();
    await done;
    expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('ends a stream whose handler stops reading early, and one that throws, exactly once', async () => {
    await using edge = await startEdge({
      holdBrokerLease: async (stream) => {
        for await (const request of stream) {
          if (request.kind?.$case === 'draining') {
            throw new HermesError('FENCED', 'a newer owner', { details: { epoch: '7' } });
          }
          break;
        }
        stream.write(grant(1));
      },
    });
    const broken = edge.coordination.holdBrokerLease();
    broken.write({ kind: { $case: 'draining', value: {} } });
    const error = await new Promise<ServiceError>((resolve) => {
      broken.on('data', () => undefined).on('error', resolve as never);
    });
    expect(fromServiceError(error)).toMatchObject({ code: 'FENCED', details: { epoch: '7' } });

    const left = edge.coordination.holdBrokerLease();
    left.write({ kind: { $case: 'heartbeat', value: { sequence: 1 } } });
    const frames: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      left
        .on('data', (one) => frames.push(one))
        .on('end', resolve)
        .on('error', reject);
    });
    expect(frames).toHaveLength(1);
  });

  it('ends iteration with the reason when the caller cancels', async () => {
    let outcome: unknown;
    await using edge = await startEdge({
      holdBrokerLease: async (stream) => {
        try {
          for await (const request of stream) {
            expect(request.kind?.$case).toBe('draining');
          }
          outcome = 'end';
        } catch (error) {
          outcome = error;
          throw error;
        }
      },
    });
    const call = edge.coordination.holdBrokerLease();
    call.on('error', () => undefined);
    call.write({ kind: { $case: 'draining', value: {} } });
    await eventually(async () => (await edge.metrics.text()).includes('HoldBrokerLease"} 1'));
    call.cancel();
    await eventually(() => outcome !== undefined);
    expect(outcome).toMatchObject({ name: 'CallEndedError', why: 'cancelled' });
    expect(edge.logs).toEqual([]);
  });

  it('has no deadline unless one is given', async () => {
    const deadlines: number[] = [];
    await using edge = await startEdge({
      watchRoutes: (_request, stream) => {
        deadlines.push(stream.deadlineMs);
        return untilAborted(stream.signal);
      },
    });
    edge.coordination.watchRoutes({ topics: [] }).on('error', () => undefined);
    const limited = edge.coordination.watchRoutes({ topics: [] }, new Metadata(), { deadline: Date.now() + 50 });
    const error = await new Promise<ServiceError>((resolve) => limited.on('error', resolve as never));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(deadlines).toContain(Infinity);
  });
});

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

function grant(sequence: number): HoldBrokerLeaseResponse {
  return {
    kind: { $case: 'grant', value: { ttl: undefined, sequence, changed: false, assignments: [], member: 0 } },
  };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

function rawUnary(port: number, path: string, bytes: Buffer): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const identity = (value: Buffer): Buffer => value;
  return unary<Buffer>((done) => client.makeUnaryRequest(path, identity, identity, bytes, done as never)).finally(
    () => {
      client.close();
    },
  );
}

/** A request that no gRPC client would send; gives grpc-status. */
function http2Unary(port: number, path: string, headers: Record<string, string>): Promise<string | undefined> {
  const session = connect(`http://127.0.0.1:${port}`);
  return new Promise<string | undefined>((resolve, reject) => {
    const request = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let answer: unknown;
    const onHeaders = (received: Readonly<Record<string, unknown>>): void => {
      answer = received['grpc-status'] ?? answer;
    };
    request.on('response', onHeaders);
    request.on('trailers', onHeaders);
    request.on('error', reject);
    request.on('close', () => {
      resolve(answer as string | undefined);
    });
    request.resume();
    request.end(Buffer.alloc(5));
  }).finally(() => {
    session.close();
  });
}
