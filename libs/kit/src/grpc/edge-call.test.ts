import { connect } from 'node:http2';
import { Metadata, status } from '@grpc/grpc-js';
import { GetTopicResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { failure, startEdge, unary, untilAborted } from '../../test/edge-harness.js';
import { type Call } from './handlers.js';

const topicResponse = (name: string): GetTopicResponse => GetTopicResponse.fromPartial({ topic: { name } });

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
