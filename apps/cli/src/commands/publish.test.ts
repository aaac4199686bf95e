import { HermesError, type PublishRequest, PublishResponse, toStatus } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { cli, startCli, startFakeGateway } from '../../test/fake-gateway.js';

describe('publish', () => {
  const answering = (requests: PublishRequest[]) => (request: PublishRequest) => {
    requests.push(request);
    return Promise.resolve(
      PublishResponse.fromPartial({
        results: request.messages.map((_message, index) => ({
          outcome: { $case: 'messageId' as const, value: `t/0/0/${index}` },
        })),
      }),
    );
  };

  it('sends the body with what flags say about it', async () => {
    const requests: PublishRequest[] = [];
    await using gateway = await startFakeGateway({ publish: answering(requests) });
    const run = await cli([
      ...['publish', 't', 'hello', '--key', 'k', '--ref-key', 'r', '--attr', 'a=1', '--attr', 'b=x=y'],
      ...[
        '--content-type',
        'text/plain',
        '--partition',
        '3',
        '--priority',
        '0',
        '--ttl',
        '5s',
        '--idempotency-key',
        'i',
        '--server',
        gateway.address,
      ],
    ]);
    expect(run).toEqual({ exitCode: 0, stdout: 't/0/0/0\n', stderr: '' });
    expect(requests[0]).toMatchObject({ topic: 't', partition: 3 });
    const [message] = requests[0]!.messages;
    expect(message).toMatchObject({
      key: 'k',
      refKey: 'r',
      contentType: 'text/plain',
      priority: 0,
      ttl: { seconds: 5 },
      idempotencyKey: 'i',
    });
    expect(message?.body.toString()).toBe('hello');
    expect([...message!.attributes]).toEqual([
      ['a', '1'],
      ['b', 'x=y'],
    ]);
  });

  it('reads one message, or one per line in order and batches, from standard input', async () => {
    const requests: PublishRequest[] = [];
    await using gateway = await startFakeGateway({ publish: answering(requests) });
    const server = ['--server', gateway.address];
    await cli(['publish', 't', '-', ...server], { input: 'one\ntwo\n' });
    expect(requests.pop()?.messages.map(({ body }) => body.toString())).toEqual(['one\ntwo\n']);
    const lines = Array.from({ length: 1_200 }, (_, index) => `line ${index}`);
    const run = await cli(['publish', 't', '--lines', ...server], { input: lines.join('\n') });
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toContain('published 1200 messages');
    expect(requests.flatMap(({ messages }) => messages.map(({ body }) => body.toString()))).toEqual(lines);
    expect(Math.max(...requests.map(({ messages }) => messages.length))).toBeLessThanOrEqual(500);
  });

  it('ends with 1 when messages are refused, naming the reason', async () => {
    const error = toStatus(new HermesError('MESSAGE_TOO_LARGE', 'the body has 9 bytes, 8 are allowed'));
    await using gateway = await startFakeGateway({
      publish: () =>
        Promise.resolve(PublishResponse.fromPartial({ results: [{ outcome: { $case: 'error', value: error } }] })),
    });
    const run = await cli(['publish', 't', 'too large', '--server', gateway.address]);
    expect(run).toMatchObject({ exitCode: 1, stdout: '' });
    expect(run.stderr).toContain('the body has 9 bytes, 8 are allowed (MESSAGE_TOO_LARGE)');
  });

  it('refuses input above the biggest body with 65', async () => {
    await using gateway = await startFakeGateway({});
    const run = await cli(['publish', 't', '-', '--server', gateway.address], { input: 'x'.repeat(8 * 1_048_576 + 1) });
    expect(run.exitCode).toBe(65);
  });

  it('tells on Ctrl-C which messages nobody knows about', async () => {
    let calls = 0;
    await using gateway = await startFakeGateway({
      publish: (request) => {
        calls += 1;
        return calls === 1 ? answering([])(request) : new Promise(() => undefined);
      },
    });
    const input = Array.from({ length: 700 }, () => 'x').join('\n');
    const running = startCli(['publish', 't', '--lines', '--server', gateway.address], { input });
    await eventually(() => calls === 2);
    running.terminal.interrupt();
    const run = await running.done;
    expect(run.exitCode).toBe(130);
    expect(run.stderr).toContain('500 messages are published; of 199 more it is unknown');
  });
});
