import { join } from 'node:path';

import { findFailure, runSeeds } from '@hermes/testing';
import { loadWithBug, type PlantedBug } from '@hermes/testing/planted-bug';

import { type DeliveryMode, type GroupChange } from '../src/index.js';
import { type Bugs, type DeliveryCode, DeliveryWorld } from './delivery-world.js';

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

/** Lines of the library itself, changed as a careless hand might. */
const PLANTED_LINES: readonly (readonly [string, DeliveryMode, PlantedBug, RegExp])[] = [
  [
    'one attempt too many',
    'shared',
    {
      file: 'settlement.ts',
      code: 'entry.attempts >= retry.maxAttempts',
      instead: 'entry.attempts > retry.maxAttempts',
    },
    /died too early/,
  ],
  [
    'a wait on the wrong clock',
    'shared',
    {
      file: 'settlement.ts',
      code: 'Math.ceil(now.storeMs + (failure',
      instead: 'Math.ceil(now.monotonicMs + (failure',
    },
    /wait of/,
  ],
  [
    'a failure that is no barrier',
    'exclusive',
    { file: 'settlement.ts', code: 'this.#stepBack(entry, true);', instead: 'this.#stepBack(entry, false);' },
    /passed/,
  ],
  [
    'credit that is not given back',
    'shared',
    { file: 'settlement.ts', code: 'subscription.credit.giveBack(entry.bytes);', instead: '' },
    /never settled/,
  ],
  [
    'room that is not given back',
    'shared',
    { file: 'settlement.ts', code: 'this.#inFlight.giveBack();', instead: '' },
    /never settled|room leaks/,
  ],
  [
    'a retry whose offset is not settled',
    'shared',
    { file: 'change-batch.ts', code: 'if (!entry.stored) {', instead: 'if (entry.fate === FATE.done) {' },
    /./,
  ],
  [
    'a dead letter that leaves its retry behind',
    'shared',
    {
      file: 'change-batch.ts',
      code: 'if (isOver && entry.stored) {',
      instead: 'if (entry.fate === FATE.done && entry.stored) {',
    },
    /./,
  ],
  [
    'ranges that touch the floor stay apart',
    'shared',
    {
      file: 'offset-ranges.ts',
      code: '(this.#from[reached] ?? 0) <= this.#floor',
      instead: '(this.#from[reached] ?? 0) < this.#floor',
    },
    /floor|never settled|counts/,
  ],
  [
    'what an earlier owner settled is taken in again',
    'shared',
    {
      file: 'intake.ts',
      code: 'lane.cursor.has(offset) || lane.entries.has(offset)',
      instead: 'lane.entries.has(offset)',
    },
    /after it was settled|from acked to open/,
  ],
  [
    'any receipt of a message counts, not that of its last delivery',
    'shared',
    {
      file: 'settle.ts',
      code: 'isLastDelivery && request.attempt === entry.attempts + 1',
      instead: 'request.attempt === entry.attempts + 1',
    },
    /superseded/,
  ],
  [
    'a key that forgets who waits behind it',
    'keyOrdered',
    { file: 'keyed-sequencer.ts', code: 'next.lastOfKey = lastOfKey;', instead: '' },
    /./,
  ],
  [
    'a key that is free while its message waits for another attempt',
    'keyOrdered',
    {
      file: 'keyed-sequencer.ts',
      code: 'this.#holders.set(entry.keyHash, entry);\n      return true;',
      instead: 'return true;',
    },
    /overtook/,
  ],
  [
    'a message that was handed over is given out again',
    'shared',
    { file: 'settlement.ts', code: 'entry.state = ENTRY_STATE.inFlight;', instead: '' },
    /while another holds it/,
  ],
  [
    'a retry that was handed over comes when it is due',
    'keyOrdered',
    {
      file: 'settlement.ts',
      code: '+= 1;\n    if (entry.state !== ENTRY_STATE.inFlight) {',
      instead: '+= 1;\n    if (entry.offset >= 0) {',
    },
    /while another holds it/,
  ],
  [
    'a new owner has a key in flight twice',
    'keyOrdered',
    {
      file: 'keyed-sequencer.ts',
      code: 'if (this.#byKey && entry.keyHash !== 0 && !this.#hold(entry)) {',
      instead: 'if (this.#byKey && entry.keyHash !== 0 && entry.state === ENTRY_STATE.ready && !this.#hold(entry)) {',
    },
    /overtook/,
  ],
  [
    'a former holder whose settles count',
    'exclusive',
    {
      file: 'group-dispatcher.ts',
      code: "if (this.mode === 'exclusive' && request.consumerEpoch < highestEpoch)",
      instead: 'if (request.consumerEpoch > highestEpoch)',
    },
    /former holder|superseded|passed \d+, which has failed/,
  ],
  [
    'a new holder without a higher token',
    'exclusive',
    { file: 'holdership.ts', code: 'token: newest.token + 1', instead: 'token: newest.token' },
    /token/,
  ],
  [
    'a new owner that lets others pass what has failed',
    'exclusive',
    {
      file: 'stored-entry.ts',
      code: "entry.barrier = hasFailed && mode === 'exclusive';",
      instead: 'entry.barrier = false;',
    },
    /passed/,
  ],
];

const SOURCES = join(__dirname, '..', 'src', 'index.ts');

const failureOf = (mode: DeliveryMode, bugs: Bugs): string | undefined =>
  findFailure({
    seeds: SEEDS_TO_FIND_A_BUG,
    scenario: (simulation) => {
      new DeliveryWorld(simulation, mode, bugs).play();
    },
  })?.message;

describe('planted bugs are found', () => {
  it.each(PLANTED)('%s', (_, mode, bugs, reason) => {
    const failure = failureOf(mode, bugs);
    expect(failure).toMatch(reason);
    expect(failure).not.toContain('NOT REPRODUCED');
  });

  it.each(PLANTED_LINES)('in a line of the library: %s', (_, mode, bug, reason) => {
    const failure = failureOf(mode, { code: loadWithBug(SOURCES, bug) as DeliveryCode });
    expect(failure).toMatch(reason);
    expect(failure).not.toContain('NOT REPRODUCED');
  });
});
