import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import { FakeClock } from '@hermes/testing';

import { boundedSockets } from './kafka-connections.js';

const HERE = { host: 'k1', port: 9092, ssl: {}, onConnect: () => undefined };

function attempts(open: () => unknown, count: number): number {
  let opened = 0;
  for (let attempt = 0; attempt < count; attempt += 1) {
    try {
      open();
      opened += 1;
    } catch {
      // Not now.
    }
  }
  return opened;
}

describe('boundedSockets', () => {
  let clock: FakeClock;
  let sockets: Socket[];
  let open: ReturnType<typeof boundedSockets>;
  beforeEach(() => {
    clock = new FakeClock();
    sockets = [];
    open = boundedSockets(clock, () => {
      const socket = new EventEmitter() as unknown as Socket;
      sockets.push(socket);
      return socket;
    });
  });

  it('opens as many as a broker needs at once, then a few a second', () => {
    expect(attempts(() => open(HERE), 100)).toBe(20);
    clock.advance(1_000);
    expect(attempts(() => open(HERE), 100)).toBe(5);
    clock.advance(3_600_000);
    expect(attempts(() => open(HERE), 100)).toBe(20);
  });

  it('counts each address by itself', () => {
    attempts(() => open(HERE), 100);
    expect(attempts(() => open({ ...HERE, host: 'k2' }), 100)).toBe(20);
    expect(attempts(() => open({ ...HERE, port: 9093 }), 100)).toBe(20);
  });

  it('says why the last connection failed where it opens none', () => {
    attempts(() => open(HERE), 20);
    sockets[0]?.emit('error', new Error('connect ECONNREFUSED'));
    expect(() => open(HERE)).toThrow('connect ECONNREFUSED');
  });
});
