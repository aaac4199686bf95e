import { EventEmitter } from 'node:events';
import { eventually } from '@hermes/testing';
import { ExitError, EXIT_CODE } from './exit-code.js';
import { silentLogger } from './logger.js';
import { runProcess } from './process.js';

class Host extends EventEmitter {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

const service = (stop: (options: { deadlineMs: number }) => Promise<void>) => () => Promise.resolve({ stop });

describe('runProcess', () => {
  it.each(['SIGTERM', 'SIGINT'])('drains on %s and ends with 0', async (signal) => {
    const host = new Host();
    const deadlines: number[] = [];
    const ended = runProcess({
      logger: silentLogger,
      drainMs: 7,
      host,
      start: service(({ deadlineMs }) => {
        deadlines.push(deadlineMs);
        return Promise.resolve();
      }),
    });
    host.emit(signal, signal);
    expect(await ended).toBe(EXIT_CODE.OK);
    expect(deadlines).toEqual([7]);
    expect(host.eventNames()).toEqual([]);
  });

  it('exits at once on a second signal', async () => {
    const host = new Host();
    void runProcess({ logger: silentLogger, host, start: service(() => new Promise(() => undefined)), drainMs: 0 });
    host.emit('SIGINT', 'SIGINT');
    host.emit('SIGINT', 'SIGINT');
    expect(host.exits).toEqual([EXIT_CODE.INTERRUPTED]);
    await eventually(() => host.eventNames().length === 0);
  });

  it.each(['uncaughtException', 'unhandledRejection'])('drains after an %s and ends with 70', async (event) => {
    const host = new Host();
    let stopped = false;
    const ended = runProcess({
      logger: silentLogger,
      host,
      start: service(() => {
        stopped = true;
        return Promise.resolve();
      }),
    });
    host.emit(event, new Error('nobody caught this'));
    expect(await ended).toBe(EXIT_CODE.BUG);
    expect(stopped).toBe(true);
  });

  it('ends with the sentence and the code of an ExitError that nobody caught: it is no bug', async () => {
    const host = new Host();
    const explained: string[] = [];
    const ended = runProcess({
      logger: silentLogger,
      host,
      explain: (message) => explained.push(message),
      start: service(() => Promise.resolve()),
    });
    host.emit('uncaughtException', new ExitError(EXIT_CODE.UNAVAILABLE, 'another process leads'));
    expect(await ended).toBe(EXIT_CODE.UNAVAILABLE);
    expect(explained).toEqual(['another process leads']);
  });

  it('explains a failed start with its sentence and ends with its code', async () => {
    const explained: string[] = [];
    const code = await runProcess({
      logger: silentLogger,
      host: new Host(),
      explain: (message) => explained.push(message),
      start: () => Promise.reject(new ExitError(EXIT_CODE.UNAVAILABLE, '127.0.0.1:4380 is in use')),
    });
    expect(code).toBe(EXIT_CODE.UNAVAILABLE);
    expect(explained).toEqual(['127.0.0.1:4380 is in use']);
  });

  it('gives up a start that is interrupted', async () => {
    const host = new Host();
    const ended = runProcess({
      logger: silentLogger,
      host,
      start: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    });
    host.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(EXIT_CODE.OK);
  });

  it('ends with 70 when stopping fails', async () => {
    const host = new Host();
    const ended = runProcess({
      logger: silentLogger,
      host,
      start: service(() => Promise.reject(new Error('a store did not close'))),
    });
    host.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(EXIT_CODE.BUG);
  });
});
