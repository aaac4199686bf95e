import {
  type AcknowledgeRequest,
  HermesError,
  Outcome,
  PositionEdge,
  type ReadMessagesRequest,
  ReadMessagesResponse,
  SubscribeResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { cli, settled, startCli, startFakeGateway } from '../../test/fake-gateway.js';

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
