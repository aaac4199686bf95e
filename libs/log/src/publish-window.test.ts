import fc from 'fast-check';

import { KEY_SEQUENCE_MIN, type PublishPlace, PublishWindow } from './publish-window.js';
import { decodeWindow, encodeWindow } from './window-snapshot.js';

const WINDOW = 1_024;
const of = (sequence: number, producerId = 7) => ({ producerId, sequence });
const keyed = (hash: number) => ({ producerId: hash, sequence: KEY_SEQUENCE_MIN + hash });
const MINUTE_MS = 60_000;

/** The window as the next owner has it. */
function reopened(window: PublishWindow): PublishWindow {
  const stored = decodeWindow(encodeWindow(window.snapshot(), { offsets: [1, 2 ** 50], scheduleId: 3 }));
  expect(stored).toMatchObject({ offsets: [1, 2 ** 50], scheduleId: 3 });
  const next = new PublishWindow();
  stored.publishes.forEach((publish) => {
    next.restore(publish);
  });
  return next;
}

describe('PublishWindow', () => {
  it('knows a repeat by its identity, and another content by its checksum, for the next owner too', () => {
    let window = new PublishWindow();
    expect(window.claim(of(1), 11, 0)).toEqual({ kind: 'new' });
    window.stored(of(1), { lane: 1, offset: 5 }, 0);
    expect(window.claim(of(2), 12, 0)).toEqual({ kind: 'new' });
    window.stored(of(2), { scheduleId: 9 }, 0);
    for (let owner = 1; owner <= 2; owner += 1) {
      expect(window.claim(of(1), 11, 0)).toEqual({ kind: 'repeated', place: { lane: 1, offset: 5 } });
      expect(window.claim(of(2), 12, 0)).toEqual({ kind: 'repeated', place: { scheduleId: 9 } });
      expect(window.claim(of(1), 12, 0)).toEqual({ kind: 'conflict' });
      window = reopened(window);
    }
  });

  it('lets a repeat wait for what is under way', async () => {
    const window = new PublishWindow();
    for (const sequence of [1, 2, 3]) {
      window.claim(of(sequence), 0, 0);
    }
    const outcomes = [1, 2, 3].map((sequence) => {
      const claim = window.claim(of(sequence), 0, 0);
      return claim.kind === 'underWay' ? claim.outcome : Promise.reject(new Error(claim.kind));
    });
    expect(window.claim(of(1), 1, 0)).toEqual({ kind: 'conflict' });
    window.stored(of(1), { lane: 0, offset: 1 }, 0);
    window.failed(of(2));
    window.unknown(of(3));
    expect(await Promise.all(outcomes)).toEqual([{ lane: 0, offset: 1 }, 'notStored', undefined]);
    expect(window.claim(of(2), 5, 0)).toEqual({ kind: 'new' });
    expect(window.claim(of(3), 0, 0)).toMatchObject({ kind: 'underWay' });
  });

  it('refuses a stranger who does not begin at 1, and what is below the window', () => {
    const window = new PublishWindow();
    expect(window.claim(of(2), 0, 0)).toEqual({ kind: 'outOfSequence', last: 0 });
    for (const sequence of [1, 2, WINDOW + 2]) {
      expect(window.claim(of(sequence), 0, 0)).toEqual({ kind: 'new' });
      window.stored(of(sequence), { lane: 0, offset: sequence }, 0);
    }
    expect(window.claim(of(2), 0, 0)).toEqual({ kind: 'outOfSequence', last: WINDOW + 2 });
    // A gap is new, though higher ones are known.
    expect(window.claim(of(3), 0, 0)).toEqual({ kind: 'new' });
    expect(reopened(window).claim(of(WINDOW + 2), 0, 0)).toMatchObject({ kind: 'repeated' });
  });

  it('remembers keys for ten minutes, of which the oldest go first', () => {
    const window = new PublishWindow();
    expect(window.claim(keyed(1), 5, 0)).toEqual({ kind: 'new' });
    window.stored(keyed(1), { lane: 0, offset: 1 }, 0);
    expect(window.claim(keyed(1), 5, 10 * MINUTE_MS - 1)).toMatchObject({ kind: 'repeated' });
    expect(reopened(window).claim(keyed(1), 5, 10 * MINUTE_MS - 1)).toMatchObject({ kind: 'repeated' });
    // Half of a hash is not the whole of it.
    expect(window.claim({ ...keyed(1), sequence: KEY_SEQUENCE_MIN }, 5, MINUTE_MS)).toEqual({ kind: 'new' });
    window.stored({ ...keyed(1), sequence: KEY_SEQUENCE_MIN }, { lane: 0, offset: 1 }, MINUTE_MS);
    expect(window.claim(keyed(2), 5, 0)).toEqual({ kind: 'new' });
    window.stored(keyed(2), { lane: 0, offset: 2 }, 0);
    expect(window.claim(keyed(2), 5, 10 * MINUTE_MS)).toEqual({ kind: 'new' });
    window.failed(keyed(2));
    for (let hash = 10; hash < 100_012; hash += 1) {
      window.claim(keyed(hash), 0, MINUTE_MS);
      window.stored(keyed(hash), { lane: 0, offset: hash }, MINUTE_MS);
    }
    expect(window.size).toBe(100_000);
    expect(window.claim(keyed(10), 0, MINUTE_MS)).toEqual({ kind: 'new' });
    expect(window.claim(keyed(100_000), 0, MINUTE_MS)).toMatchObject({ kind: 'repeated' });
  });

  it('forgets the producers that were silent longest', () => {
    const window = new PublishWindow();
    const publish = (producerId: number, sequence: number) => {
      expect(window.claim(of(sequence, producerId), 0, 0)).toEqual({ kind: 'new' });
      window.stored(of(sequence, producerId), { lane: 0, offset: 1 }, 0);
    };
    for (let producerId = 1; producerId <= 10_000; producerId += 1) {
      publish(producerId, 1);
    }
    publish(1, 2);
    publish(10_001, 1);
    expect(window.claim(of(2, 2), 0, 0)).toEqual({ kind: 'outOfSequence', last: 0 });
    expect(window.claim(of(2, 1), 0, 0)).toMatchObject({ kind: 'repeated' });
    for (let producerId = 20_001; producerId <= 20_260; producerId += 1) {
      for (let sequence = 1; sequence <= 1_000; sequence += 1) {
        window.claim(of(sequence, producerId), 0, 0);
        window.stored(of(sequence, producerId), { lane: 0, offset: 1 }, 0);
      }
    }
    expect(window.size).toBeLessThanOrEqual(250_000);
  });

  it('forgets nothing for what fails, and nothing that is under way', () => {
    const window = new PublishWindow();
    const store = (sequence: number) => {
      window.stored(of(sequence), { lane: 0, offset: sequence }, 0);
    };
    for (const sequence of [1, 2, WINDOW + 1, WINDOW + 2]) {
      expect(window.claim(of(sequence), 0, 0)).toEqual({ kind: 'new' });
    }
    store(1);
    window.failed(of(WINDOW + 1));
    expect(window.claim(of(1), 0, 0)).toMatchObject({ kind: 'repeated' });
    store(WINDOW + 2);
    expect(window.claim(of(1), 0, 0)).toEqual({ kind: 'outOfSequence', last: WINDOW + 2 });
    for (let producerId = 100; producerId < 10_200; producerId += 1) {
      window.claim(of(1, producerId), 0, 0);
      window.failed(of(1, producerId));
    }
    store(2);
    expect(window.claim(of(WINDOW + 2), 0, 0)).toMatchObject({ kind: 'repeated' });
    window.claim(of(3_000), 0, 0);
    store(3_000);
    expect(window.claim(of(WINDOW + 2), 0, 0)).toEqual({ kind: 'outOfSequence', last: 3_000 });
  });

  it('never takes for new what is stored and within the window, whatever happens in between', () => {
    const step = fc.record({
      sequence: fc.oneof(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: WINDOW - 1, max: WINDOW + 4 }),
        fc.integer({ min: 1, max: 2_500 }),
      ),
      producerId: fc.integer({ min: 1, max: 3 }),
      stores: fc.boolean(),
      moves: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const model = new Model();
        steps.forEach((one, offset) => {
          model.publish(one, offset);
          if (one.moves) {
            model.move();
          }
        });
      }),
      { numRuns: 500 },
    );
  });
});

/** What a window has to remember, said plainly. */
class Model {
  #window = new PublishWindow();
  readonly #stored = new Map<string, PublishPlace>();
  /** Of those who came so far: the highest sequence that is stored. */
  readonly #highest = new Map<number, number>();

  publish(
    { sequence, producerId, stores }: { sequence: number; producerId: number; stores: boolean },
    offset: number,
  ): void {
    const identity = of(sequence, producerId);
    const claim = this.#window.claim(identity, sequence, 0);
    const isKnown = this.#highest.has(producerId);
    const last = this.#highest.get(producerId) ?? 0;
    const place = this.#stored.get(`${producerId}/${sequence}`);
    if (sequence <= last - WINDOW || (!isKnown && sequence > 1)) {
      expect(claim).toEqual({ kind: 'outOfSequence', last });
      return;
    }
    expect(claim).toEqual(place === undefined ? { kind: 'new' } : { kind: 'repeated', place });
    if (place === undefined) {
      this.#highest.set(producerId, stores ? Math.max(last, sequence) : last);
      this.#end(identity, stores ? { lane: 0, offset } : undefined);
    }
  }

  /** What was refused is not known to the next owner. */
  move(): void {
    this.#window = reopened(this.#window);
    this.#highest.clear();
    for (const known of this.#stored.keys()) {
      const [producer = 0, sequence = 0] = known.split('/').map(Number);
      this.#highest.set(producer, Math.max(sequence, this.#highest.get(producer) ?? 0));
    }
  }

  #end(identity: ReturnType<typeof of>, place: PublishPlace | undefined): void {
    if (place === undefined) {
      this.#window.failed(identity);
    } else {
      this.#stored.set(`${identity.producerId}/${identity.sequence}`, place);
      this.#window.stored(identity, place, 0);
    }
  }
}
