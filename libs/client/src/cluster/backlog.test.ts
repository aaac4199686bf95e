import { Backlog } from './backlog.js';
import { PendingMessage } from './pending-message.js';

test('a frame holds messages that one producer numbered in a row, or none that are numbered', () => {
  const backlog = new Backlog();
  const push = (text: string, identity?: { producerId: number; sequence: number }): void => {
    backlog.push(new PendingMessage(Buffer.from(text), Infinity, () => undefined, { identity }));
  };
  push('a', { producerId: 1, sequence: 1 });
  push('b', { producerId: 1, sequence: 2 });
  push('c', { producerId: 1, sequence: 4 });
  push('d', { producerId: 2, sequence: 5 });
  push('e');
  push('f');
  push('g', { producerId: 2, sequence: 6 });
  const frames: string[] = [];
  while (backlog.isWaiting) {
    const frame = backlog.takeFrame({ alive: () => true, go: () => true }, 10);
    frames.push(frame.map(({ bytes }) => Buffer.from(bytes).toString()).join(''));
  }
  expect(frames).toEqual(['ab', 'c', 'd', 'ef', 'g']);
});
