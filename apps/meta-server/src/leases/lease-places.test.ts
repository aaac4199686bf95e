import { type HermesError } from '@hermes/contracts';

import { LeasePlaces, type Occupant } from './lease-places.js';

/** As many streams as may be silent. */
const SILENT = 1_000;

class Stream implements Occupant {
  ended: HermesError | undefined;

  constructor(readonly peer: string) {}

  close(error: HermesError): void {
    this.ended = error;
  }
}

describe('LeasePlaces', () => {
  const places = new LeasePlaces(100, 'brokers');
  let peers = 0;
  const come = (peer = `peer-${(peers += 1)}`): Stream => {
    const stream = new Stream(peer);
    places.enter(stream);
    return stream;
  };

  test('those that say nothing give way, the oldest first, and keep nobody out', () => {
    const silent = Array.from({ length: SILENT }, () => come());
    const speaker = come();
    places.speak(speaker);
    expect(silent[0]?.ended).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    expect(silent.filter(({ ended }) => ended !== undefined)).toHaveLength(1);
    expect(speaker.ended).toBeUndefined();
    for (const stream of [...silent, speaker]) {
      places.leave(stream);
    }
  });

  test('of those that have said something there are so many; one that ends makes room', () => {
    const speaking = Array.from({ length: 100 }, () => come());
    speaking.forEach((stream) => {
      places.speak(stream);
      places.speak(stream);
    });
    const late = come();
    expect(() => {
      places.speak(late);
    }).toThrow('100 lease streams of brokers are open already');
    places.leave(late);
    places.leave(speaking[0]!);
    const next = come();
    places.speak(next);
    for (const stream of [...speaking.slice(1), next]) {
      places.leave(stream);
    }
  });

  test('one connection has a hundred at most, whether it says something or not', () => {
    const streams = Array.from({ length: 100 }, () => come('one'));
    places.speak(streams[0]!);
    expect(() => come('one')).toThrow('100 lease streams of brokers are open on this connection already');
    come('other');
    places.leave(streams[0]!);
    come('one');
  });
});
