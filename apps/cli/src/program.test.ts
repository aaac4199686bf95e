import {
  type AcknowledgeRequest,
  type CreateTopicRequest,
  CreateTopicResponse,
  type CreateGroupRequest,
  CreateGroupResponse,
  DrainBrokerResponse,
  GetTopicResponse,
  GroupMode,
  HermesError,
  ListTopicsResponse,
  Outcome,
  PositionEdge,
  type PublishRequest,
  PublishResponse,
  type ReadMessagesRequest,
  ReadMessagesResponse,
  SubscribeResponse,
  toStatus,
  type UpdateTopicRequest,
  UpdateTopicResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { cli, settled, startCli, startFakeGateway } from '../test/fake-gateway.js';
import { CLI_VERSION } from './version.js';

describe('the command line', () => {
  it('shows help and version on standard output', async () => {
    const help = await cli(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    for (const command of ['up', 'meta-server', 'broker', 'gateway', 'topic', 'group', 'publish', 'tail', 'cluster']) {
      expect(help.stdout).toContain(`\n  ${command}`);
    }
    expect(await cli(['--version'])).toMatchObject({ exitCode: 0, stdout: `${CLI_VERSION}\n` });
    const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string };
    expect(CLI_VERSION).toBe(version);
  });

  it.each([
    [['nothing'], 'unknown command'],
    [['topic', 'list', '--nothing'], 'unknown option'],
    [['topic', 'create'], "missing required argument 'topic'"],
    [['topic', 'create', 't', '--partitions', 'two'], 'whole number'],
    [['topic', 'create', 't', '--retention-age', '7'], 'duration'],
    [['topic', 'create', 't', '--max-body-bytes', '1XB'], 'size'],
    [['topic', 'update', 't'], 'nothing to update'],
    [['group', 'create', 't', 'g', '--mode', 'any'], 'Allowed choices'],
    [['publish', 't', 'b', '--attr', 'novalue'], 'name=value'],
    [['publish', 't', 'b', '--lines'], '--lines reads standard input'],
    [['publish', 't'], 'nothing to publish'],
    [['tail', 't', '--start', 'yesterday'], 'position'],
    [['topic', 'list', '-o', 'yaml'], 'Allowed choices'],
    [['topic', 'list', '--server', 'here'], 'host:port'],
    [['topic', 'list', '--token', 'secret'], 'unknown option'],
    [['broker', '--processes', '4'], 'not implemented in this release'],
  ])('refuses %j with 64', async (args, problem) => {
    const run = await cli(args);
    expect(run).toMatchObject({ exitCode: 64, stdout: '' });
    expect(run.stderr).toContain(problem);
    expect(run.stderr).not.toContain('    at ');
  });

  it('tells what to do when there is no server, with 69', async () => {
    const run = await cli(['topic', 'list', '--server', '127.0.0.1:1']);
    expect(run).toMatchObject({ exitCode: 69, stdout: '' });
    expect(run.stderr).toContain('no server at 127.0.0.1:1 – start one with `hermes up`');
  });

  it('takes the server from the environment, a flag winning', async () => {
    await using gateway = await startFakeGateway({ listTopics: () => Promise.resolve(ListTopicsResponse.create()) });
    const env = { HERMES_SERVER: '127.0.0.1:1' };
    expect((await cli(['topic', 'list'], { env })).stderr).toContain('no server at 127.0.0.1:1');
    expect((await cli(['topic', 'list'], { env: { HERMES_SERVER: gateway.address } })).exitCode).toBe(0);
    expect((await cli(['topic', 'list', '--server', gateway.address], { env })).exitCode).toBe(0);
    expect((await cli(['--server', gateway.address, 'topic', 'list'])).exitCode).toBe(0);
  });

  it.each([
    ['TOPIC_NOT_FOUND', 1],
    ['INVALID_FIELD', 1],
    ['NOT_IMPLEMENTED', 1],
    ['NOT_ALLOWED', 77],
    ['CREDENTIALS_INVALID', 77],
    ['PARTITION_MOVING', 69],
    ['NO_LEADER', 69],
    ['BUG', 70],
  ] as const)('ends with the right code for %s', async (reason, exitCode) => {
    await using gateway = await startFakeGateway({
      getTopic: () => Promise.reject(new HermesError(reason, 'what went wrong')),
    });
    const run = await cli(['topic', 'describe', 't', '--server', gateway.address]);
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr).toMatch(new RegExp(`^hermes: what went wrong.* \\(${reason}\\)\n$`));
  });

  it('ends with 69 when no answer comes within --timeout', async () => {
    await using gateway = await startFakeGateway({ getCluster: () => new Promise(() => undefined) });
    const run = await cli(['cluster', '--timeout', '50ms', '--server', gateway.address]);
    expect(run.exitCode).toBe(69);
    expect(run.stderr).toContain('no answer from');
  });

  it('cancels on Ctrl-C and ends with 130, saying nothing', async () => {
    let asked = false;
    await using gateway = await startFakeGateway({
      getCluster: () => {
        asked = true;
        return new Promise(() => undefined);
      },
    });
    const running = startCli(['cluster', '--server', gateway.address]);
    await eventually(() => asked);
    running.terminal.interrupt();
    expect(await running.done).toEqual({ exitCode: 130, stdout: '', stderr: '' });
  });

  it('ends quietly when nobody reads its output any more', async () => {
    await using gateway = await startFakeGateway({
      readMessages: (_request, stream) => {
        stream.write(ReadMessagesResponse.fromPartial({ messages: [{ messageId: 't/0/0/1' }] }));
        return new Promise((_, reject) => {
          stream.signal.addEventListener('abort', () => {
            reject(stream.signal.reason as Error);
          });
        });
      },
    });
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const run = await cli(['tail', 't', '--server', gateway.address], { stdout });
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('topics and groups', () => {
  it('sends flags as the fields of the request, and defaults not at all', async () => {
    const requests: CreateTopicRequest[] = [];
    await using gateway = await startFakeGateway({
      createTopic: (request) => {
        requests.push(request);
        return Promise.resolve(CreateTopicResponse.fromPartial({ topic: { name: 'orders', partitions: 8 } }));
      },
    });
    const server = ['--server', gateway.address];
    const run = await cli([
      ...['topic', 'create', 'orders', '--partitions', '8', '--max-body-bytes', '2MiB', '--retention-age', '36h'],
      ...['--max-attempts', '5', '--retry-initial', '1500ms', '--retry-max', '2m', ...server],
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(run.stdout).toContain('partitions  8');
    await cli(['topic', 'create', 'plain', ...server]);
    expect(requests[0]?.topic).toMatchObject({
      name: 'orders',
      partitions: 8,
      maxBodyBytes: 2_097_152,
      retentionAge: { seconds: 129_600, nanos: 0 },
      retry: {
        kind: {
          $case: 'exponential',
          value: { initial: { seconds: 1, nanos: 500_000_000 }, max: { seconds: 120, nanos: 0 }, multiplier: 0 },
        },
        maxAttempts: 5,
      },
    });
    expect(requests[1]?.topic).toMatchObject({ name: 'plain', partitions: undefined, retry: undefined, paused: false });
  });

  it('changes only what is given; a part of the retry policy keeps the rest, guarded by the etag', async () => {
    const requests: UpdateTopicRequest[] = [];
    await using gateway = await startFakeGateway({
      getTopic: () =>
        Promise.resolve(
          GetTopicResponse.fromPartial({
            topic: {
              name: 't',
              etag: '1-7',
              retry: {
                kind: { $case: 'exponential', value: { initial: { seconds: 3 }, multiplier: 4 } },
                maxAttempts: 9,
              },
            },
          }),
        ),
      updateTopic: (request) => {
        requests.push(request);
        return Promise.resolve(UpdateTopicResponse.fromPartial({ topic: { name: 't' } }));
      },
    });
    const server = ['--server', gateway.address];
    await cli(['topic', 'update', 't', '--no-paused', ...server]);
    await cli(['topic', 'update', 't', '--max-attempts', '2', ...server]);
    expect(requests[0]).toMatchObject({ topic: { paused: false, etag: '' }, updateMask: ['paused'] });
    expect(requests[1]).toMatchObject({
      topic: {
        etag: '1-7',
        retry: {
          kind: { $case: 'exponential', value: { initial: { seconds: 3 }, multiplier: 4 } },
          maxAttempts: 2,
        },
      },
      updateMask: ['retry'],
    });
  });

  it('prints responses as protobuf JSON, one line each', async () => {
    await using gateway = await startFakeGateway({
      createGroup: (request: CreateGroupRequest) =>
        Promise.resolve(
          CreateGroupResponse.fromPartial({ group: { ...request.group, createdAt: { seconds: 1, nanos: 0 } } }),
        ),
    });
    const { stdout } = await cli([
      ...['group', 'create', 't', 'g', '--mode', 'exclusive', '--start', 'earliest', '--ack-deadline', '1500ms'],
      ...['-o', 'json', '--server', gateway.address],
    ]);
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(JSON.parse(stdout)).toEqual({
      group: {
        topic: 't',
        name: 'g',
        mode: 'GROUP_MODE_EXCLUSIVE',
        start: { edge: 'POSITION_EDGE_EARLIEST' },
        ackDeadline: '1.5s',
        createdAt: '1970-01-01T00:00:01.000Z',
      },
    });
    expect(GroupMode.EXCLUSIVE).toBe(1);
  });

  it('lists all pages', async () => {
    await using gateway = await startFakeGateway({
      listTopics: ({ pageToken }) =>
        Promise.resolve(
          ListTopicsResponse.fromPartial(
            pageToken === ''
              ? { topics: [{ name: 'a', partitions: 4 }], nextPageToken: 'more' }
              : { topics: [{ name: 'long-name', partitions: 16 }] },
          ),
        ),
    });
    const { stdout } = await cli(['topic', 'list', '--server', gateway.address]);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ['TOPIC', 'PARTITIONS'],
      ['a', '4'],
      ['long-name', '16'],
      [''],
    ]);
  });

  it('waits until a draining broker has nothing left, telling how it goes', async () => {
    let left = 3;
    await using gateway = await startFakeGateway({
      drainBroker: () => Promise.resolve(DrainBrokerResponse.fromPartial({ partitionsLeft: (left -= 1) })),
    });
    const run = await cli(['broker', 'drain', 'b', '--wait', '--server', gateway.address]);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toContain('b: 2 partitions left');
    expect(run.stdout).toContain('partitions left: 0');
  });
});

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
      ...['--content-type', 'text/plain', '--partition', '3', '--priority', '0', '--server', gateway.address],
    ]);
    expect(run).toEqual({ exitCode: 0, stdout: 't/0/0/0\n', stderr: '' });
    expect(requests[0]).toMatchObject({ topic: 't', partition: 3 });
    const [message] = requests[0]!.messages;
    expect(message).toMatchObject({ key: 'k', refKey: 'r', contentType: 'text/plain', priority: 0 });
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

describe('tail', () => {
  const message = { body: Buffer.from('caf\u00e9\u001b[2J\n'), key: 'k' };

  it('only looks without a group, and never sends control characters to the terminal', async () => {
    const requests: ReadMessagesRequest[] = [];
    await using gateway = await startFakeGateway({
      readMessages: (request, stream) => {
        requests.push(request);
        stream.write(
          ReadMessagesResponse.fromPartial({
            messages: [
              { messageId: 't/0/0/1', message },
              { messageId: 't/0/0/2', message: { body: Buffer.from([0xff, 0xfe]) } },
            ],
          }),
        );
        return Promise.resolve();
      },
    });
    const run = await cli([
      ...['tail', 't', '--start', '0/0/1', '--partition', '0', '--limit', '2', '--no-follow'],
      ...['--server', gateway.address],
    ]);
    expect(run).toEqual({
      exitCode: 0,
      stdout: 't/0/0/1  key=k  café\\u{1b}[2J\\n\nt/0/0/2  <2 bytes>\n',
      stderr: '',
    });
    expect(requests[0]).toMatchObject({
      partitions: [0],
      limit: 2,
      follow: false,
      start: { kind: { $case: 'offset', value: { partition: 0, lane: 0, offset: 1 } } },
    });
    await cli(['tail', 't', '--start', 'latest', '--server', gateway.address]);
    expect(requests[1]).toMatchObject({
      follow: true,
      start: { kind: { $case: 'edge', value: PositionEdge.LATEST } },
    });
  });

  it('takes part with a group: acknowledges what it has shown and gives back the rest', async () => {
    const requests: AcknowledgeRequest[] = [];
    let streamOpen = false;
    await using gateway = await startFakeGateway({
      subscribe: async (request, stream) => {
        expect(request).toMatchObject({ topic: 't', group: 'g', consumer: 'me' });
        streamOpen = true;
        stream.write(SubscribeResponse.fromPartial({ frame: { $case: 'accepted', value: {} } }));
        const deliveries = [1, 2, 3].map((offset) => ({
          ...{ receipt: Buffer.from(`r${offset}`), message, partition: 2, lane: 0, offset, attempt: offset },
        }));
        stream.write(SubscribeResponse.fromPartial({ frame: { $case: 'batch', value: { sequence: 1, deliveries } } }));
        await new Promise((resolve) => {
          stream.signal.addEventListener('abort', resolve);
        });
        streamOpen = false;
      },
      acknowledge: (request) => {
        requests.push(request);
        // Settled while its stream lives: a broker takes back what a stream leaves behind.
        expect(streamOpen).toBe(true);
        return Promise.resolve({ results: request.entries.map(() => ({})) });
      },
    });
    const run = await cli([
      ...['tail', 't', '--group', 'g', '--consumer', 'me', '--limit', '2', '--server', gateway.address],
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(run.stdout.split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^t\/2\/0\/1 {2}key=k/),
      expect.stringMatching(/^t\/2\/0\/2 {2}attempt=2 {2}key=k/),
    ]);
    expect(requests.flatMap(settled)).toEqual([`${Outcome.ACK}:r1`, `${Outcome.ACK}:r2`, `${Outcome.RETURN}:r3`]);
  });

  it('subscribes again when its server drains, and ends with 130 on Ctrl-C', async () => {
    let subscriptions = 0;
    await using gateway = await startFakeGateway({
      subscribe: async (_request, stream) => {
        subscriptions += 1;
        stream.write(SubscribeResponse.fromPartial({ frame: { $case: 'accepted', value: {} } }));
        if (subscriptions === 1) {
          throw new HermesError('DRAINING', 'this server stops');
        }
        await new Promise((resolve) => {
          stream.signal.addEventListener('abort', resolve);
        });
      },
    });
    const running = startCli(['tail', 't', '--group', 'g', '--server', gateway.address]);
    await eventually(() => subscriptions === 2);
    running.terminal.interrupt();
    const run = await running.done;
    expect(run.exitCode).toBe(130);
    expect(run.stderr).toContain('this server stops');
  });

  it('does not insist when its group does not exist', async () => {
    await using gateway = await startFakeGateway({
      subscribe: () => Promise.reject(new HermesError('GROUP_NOT_FOUND', 'there is no group g of t')),
    });
    const run = await cli(['tail', 't', '--group', 'g', '--server', gateway.address]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('hermes group create');
  });
});
