import { join } from 'node:path';

import { findFailure, runSeeds } from '@hermes/testing';
import { loadWithBug, type PlantedBug } from '@hermes/testing/planted-bug';

import { InFlightWorld, type PoolCode } from './in-flight-world.js';

const SEEDS = 300;
const SOURCES = join(__dirname, '..', 'src', 'index.ts');

describe('groups that share what may be in flight', () => {
  it(`all come to an end beside one that hoards, and nothing leaks, in ${SEEDS} histories`, () => {
    runSeeds({
      seeds: SEEDS,
      scenario: (simulation) => {
        new InFlightWorld(simulation).play();
      },
    });
  }, 60_000);
});

/** Lines of the library, changed as a careless hand might. */
const PLANTED: readonly (readonly [string, PlantedBug, RegExp])[] = [
  [
    'a delivery that is over gives nothing back',
    { file: 'settlement.ts', code: 'this.#inFlight.giveBack();', instead: '' },
    /never settled|leaks/,
  ],
  [
    'a closed group keeps what its subscriptions hold',
    {
      file: 'settlement.ts',
      code: 'for (const { inFlight, extended } of this.#turns)',
      instead: 'for (const { inFlight, extended } of [] as Subscription[])',
    },
    /leaks|never settled|of which the pool knows/,
  ],
  [
    'a closed group keeps what it has decided and not stored',
    {
      file: 'settlement.ts',
      code: '[...(this.#sealed?.entries ?? []), ...this.#batch.entries]',
      instead: '[] as Entry[]',
    },
    /leaks|never settled/,
  ],
  [
    'a group without subscribers keeps its place and its promise',
    {
      file: 'settlement.ts',
      code: 'if (this.#turns.isEmpty) {\n      this.#inFlight.leave();',
      instead: 'if (this.#turns.isEmpty) {',
    },
    /never settled/,
  ],
  [
    'a group that wants no more keeps its promise',
    { file: 'group-dispatcher.ts', code: 'this.#inFlight.rest();', instead: '' },
    /never settled/,
  ],
  [
    'what is promised is given to others too',
    { file: 'in-flight-pool.ts', code: ' - this.#promised)', instead: ')' },
    /are in flight/,
  ],
  [
    'one group may take everything',
    { file: 'in-flight-pool.ts', code: 'held < HELD_PER_FREE * (', instead: 'held < Number.POSITIVE_INFINITY * (' },
    /never settled|NaN/,
  ],
  [
    'a delivery asks for no room',
    {
      file: 'outflow.ts',
      code: 'entry === undefined || subscription === undefined || !this.#inFlight.take()',
      instead: 'entry === undefined || subscription === undefined',
    },
    /of which the pool knows|given back/,
  ],
];

describe('planted bugs of the pool are found', () => {
  it.each(PLANTED)('%s', (_, bug, reason) => {
    const code = loadWithBug(SOURCES, bug) as PoolCode;
    const failure = findFailure({
      seeds: SEEDS,
      scenario: (simulation) => {
        new InFlightWorld(simulation, code).play();
      },
    })?.message;
    expect(failure).toMatch(reason);
    expect(failure).not.toContain('NOT REPRODUCED');
  });
});
