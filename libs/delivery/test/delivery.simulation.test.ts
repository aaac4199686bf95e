import { findFailure, runSeeds } from '@hermes/testing';

import { type DeliveryMode, type GroupChange } from '../src/index.js';
import { type Bugs, DeliveryWorld } from './delivery-world.js';

const MODES: readonly DeliveryMode[] = ['shared', 'keyOrdered', 'exclusive'];
const SEEDS = 400;
const SEEDS_TO_FIND_A_BUG = 400;

describe.each(MODES)('group delivery under faults, %s', (mode) => {
  it(`keeps its promises in ${SEEDS} histories`, () => {
    let deliveries = 0;
    runSeeds({
      seeds: SEEDS,
      scenario: (simulation) => {
        const world = new DeliveryWorld(simulation, mode);
        world.play();
        deliveries += world.deliveries;
      },
    });
    expect(deliveries).toBeGreaterThan(SEEDS * 40);
  }, 60_000);
});

const without = (kind: GroupChange['kind']) => (changes: readonly GroupChange[]) =>
  changes.filter((change) => change.kind !== kind);

const PLANTED: readonly (readonly [string, DeliveryMode, Bugs, RegExp])[] = [
  [
    'a nack settles the cursor and its retry row is not written',
    'shared',
    { changes: without('retry') },
    /lost|acked|settled/,
  ],
  ['a dead letter is not written', 'shared', { changes: without('deadLetter') }, /acked|settled|lost|dead/],
  ['a retry row stays after its acknowledgement', 'shared', { changes: without('retryDone') }, /./],
  ['progress is not written', 'shared', { changes: without('cursor') }, /before it was stored|settled/],
  ['a settle is answered before it is stored', 'shared', { answersEarly: true }, /before it was stored/],
  [
    'a retry forgets its attempts',
    'shared',
    { changes: (all) => all.map((c) => (c.kind === 'retry' ? { ...c, entry: { ...c.entry, attempts: 0 } } : c)) },
    /attempt/,
  ],
  [
    'a retry is due at once',
    'shared',
    { changes: (all) => all.map((c) => (c.kind === 'retry' ? { ...c, entry: { ...c.entry, dueAtMs: 0 } } : c)) },
    /wait of/,
  ],
  ['the store clock runs ahead of what was promised', 'shared', { storeSkewMs: -500 }, /wait of/],
  ['the order of keys is ignored', 'keyOrdered', { mode: 'shared' }, /overtook/],
  ['a key is lost on its way in', 'keyOrdered', { keyHash: (hash) => (hash === 2 ? 0 : hash) }, /overtook/],
  [
    'a new owner forgets whose key waits',
    'keyOrdered',
    { load: (s) => ({ ...s, retries: s.retries.map((retry) => ({ ...retry, keyHash: 0 })) }) },
    /overtook/,
  ],
  ['the order of the lane is ignored', 'exclusive', { mode: 'keyOrdered' }, /passed|before/],
  [
    'a new owner forgets who failed',
    'exclusive',
    { load: (s) => ({ ...s, retries: [] }) },
    /passed|never settled|settled/,
  ],
  ['a new holder is not stored', 'exclusive', { changes: without('holder') }, /admitted/],
  [
    'the delivery number of a receipt is not looked at',
    'shared',
    { settle: (request, { attempt, deliveryNo }) => ({ ...request, attempt, deliveryNo }) },
    /superseded/,
  ],
  ['deliveries name a wrong attempt', 'shared', { dispatch: (d) => ({ ...d, attempt: 1 }) }, /attempt/],
];

describe('planted bugs are found', () => {
  it.each(PLANTED)('%s', (_, mode, bugs, reason) => {
    const failure = findFailure({
      seeds: SEEDS_TO_FIND_A_BUG,
      scenario: (simulation) => {
        new DeliveryWorld(simulation, mode, bugs).play();
      },
    });
    expect(failure?.message).toMatch(reason);
    expect(failure?.message).not.toContain('NOT REPRODUCED');
  });
});
