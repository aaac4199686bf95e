import { HermesError, ListTopicsResponse, ReadMessagesResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { cli, startCli, startFakeGateway } from '../test/fake-gateway.js';
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
    [['datasource', 'create', 'm1'], "required option '--endpoints"],
    [['datasource', 'create', 'm1', '--endpoints', 'h:1,,h:2'], 'separated by commas'],
    [['datasource', 'create', 'm1', '--endpoints', 'h:1', '--password', 'p'], 'unknown option'],
    [['datasource', 'create', 'm1', '--endpoints', 'h:1', '--storage-class', 'embedded'], 'Allowed choices'],
    [['datasource', 'create', 'k1', '--endpoints', 'h:1', '--topic-config', 'retention.ms'], 'name=value'],
    [['datasource', 'create', 'k1', '--endpoints', 'h:1', '--sasl', 'gssapi'], 'Allowed choices'],
    [['topic', 'update', 't', '--kafka-topic', 'events'], 'unknown option'],
    [['broker', '--processes', 'many'], 'a number from 1 to 256'],
    [['broker', '--processes', '4', '--broker-ops-port', '4378'], 'needs that many ports'],
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
