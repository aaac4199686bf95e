import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  fromServiceError,
  HermesError,
  type HoldBrokerLeaseResponse,
  type WatchRoutesResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { startEdge, untilAborted } from '../../test/edge-harness.js';
import { type ResponseStream } from './handlers.js';

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
      call.write({ kind: { $case: 'heartbeat', value: { sequence, dataSources: [] } } });
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
    left.write({ kind: { $case: 'heartbeat', value: { sequence: 1, dataSources: [] } } });
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

function grant(sequence: number): HoldBrokerLeaseResponse {
  return {
    kind: { $case: 'grant', value: { ttl: undefined, sequence, changed: false, assignments: [], member: 0 } },
  };
}
