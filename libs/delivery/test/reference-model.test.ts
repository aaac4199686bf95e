import { join } from 'node:path';

import { findFailure, runSeeds } from '@hermes/testing';
import { loadWithBug, type PlantedBug } from '@hermes/testing/planted-bug';

import { type DeliveryMode } from '../src/index.js';
import { Comparison } from './comparison.js';
import { type DeliveryCode } from './delivery-world.js';

const HISTORIES = 600;
const HISTORIES_TO_FIND_A_BUG = 1_500;

const MODES: readonly DeliveryMode[] = ['shared', 'keyOrdered', 'exclusive'];
const LANES = [1, 3];

describe.each(MODES.flatMap((mode) => LANES.map((lanes) => ({ mode, lanes }))))(
  'GroupDispatcher, $mode, $lanes lanes',
  ({ mode, lanes }) => {
    it(`does what the model does in ${HISTORIES} histories`, () => {
      let deliveries = 0;
      runSeeds({
        seeds: HISTORIES,
        scenario: (simulation) => {
          const comparison = new Comparison(simulation, mode, lanes);
          comparison.play();
          deliveries += comparison.deliveries;
        },
      });
      expect(deliveries).toBeGreaterThan(HISTORIES * 5);
    }, 60_000);
  },
);

/** What only the model would notice: lanes, dead letters that come back, consumers that give up. */
const PLANTED: readonly (readonly [string, DeliveryMode, PlantedBug])[] = [
  [
    'two lanes that deliver one key at the same time',
    'keyOrdered',
    { file: 'key-locks.ts', code: 'lock.waiting.push({ entry, wake });\n    return false;', instead: 'return true;' },
  ],
  [
    'a key that is free before its settle is durable',
    'keyOrdered',
    {
      file: 'settlement.ts',
      code: 'entry.heldIn?.remove(entry);\n    entry.state = ENTRY_STATE.settling;',
      instead:
        'entry.heldIn?.remove(entry);\n    this.#lane(entry).sequencer.released(entry);\n    entry.state = ENTRY_STATE.settling;',
    },
  ],
  [
    'a key that stays locked',
    'keyOrdered',
    { file: 'key-locks.ts', code: 'this.#locks.delete(entry.keyHash);', instead: '' },
  ],
  [
    'those who wait for a key are forgotten',
    'keyOrdered',
    { file: 'key-locks.ts', code: 'waiter.wake(waiter.entry);', instead: '' },
  ],
  [
    'a redriven message that receipts of its former life settle',
    'shared',
    { file: 'group-dispatcher.ts', code: 'entry.deliveryNo = NEVER_DELIVERED;', instead: 'entry.deliveryNo = 1;' },
  ],
  [
    'a redriven message that is not in its place in the lane',
    'exclusive',
    {
      file: 'exclusive-sequencer.ts',
      code: 'this.#order.splice(position, 0, entry);',
      instead: 'this.#order.push(entry);',
    },
  ],
  [
    'a redriven message that what is in flight hides',
    'exclusive',
    {
      file: 'exclusive-sequencer.ts',
      code: 'while (isPassed(this.#order[this.#next])) {',
      instead: 'while (this.#order[this.#next]?.state === ENTRY_STATE.gone) {',
    },
  ],
  [
    'what is in flight behind a redriven message is not voided with it',
    'exclusive',
    {
      file: 'exclusive-sequencer.ts',
      code: '.slice(position + 1, this.#reached)',
      instead: '.slice(position + 1, this.#next)',
    },
  ],
  [
    'a barrier that is forgotten while its settle is written',
    'exclusive',
    {
      file: 'exclusive-sequencer.ts',
      code: ' && current.state !== ENTRY_STATE.settling',
      instead: '',
    },
  ],
  [
    'a message given up by its consumer is retried',
    'shared',
    {
      file: 'settlement.ts',
      code: 'return this.#reject(entry, request);',
      instead: 'return this.#fail(entry, request, now);',
    },
  ],
  [
    'a message given up by its consumer voids what is behind it',
    'exclusive',
    {
      file: 'settlement.ts',
      code: 'entry.cause = DEAD_LETTER_CAUSE.consumer;',
      instead: 'entry.cause = DEAD_LETTER_CAUSE.consumer;\n    this.#stepBack(entry, true);',
    },
  ],
  [
    'a repeated dead letter is refused',
    'shared',
    {
      file: 'settle.ts',
      code: '(request.kind === SETTLE.deadLetter && entry.fate === FATE.dead)',
      instead: 'false',
    },
  ],
];

const STRUCK: readonly (readonly [string, DeliveryMode, PlantedBug])[] = [
  [
    'the loss of a consumer leaves no mark',
    'shared',
    { file: 'settlement.ts', code: 'entry.strikes += 1;', instead: '' },
  ],
  [
    'the loss of a consumer is an attempt',
    'keyOrdered',
    { file: 'settlement.ts', code: 'entry.strikes += 1;', instead: 'entry.attempts += 1;' },
  ],
  [
    'a suspect is given back for ever',
    'shared',
    { file: 'settlement.ts', code: 'if (entry.isSuspect) {', instead: 'if (entry.offset < 0) {' },
  ],
  [
    'a suspect is joined by others',
    'shared',
    {
      file: 'outflow.ts',
      code: 'subscription.credit.takeAlone(entry.bytes);',
      instead: 'subscription.credit.take(entry.bytes);',
    },
  ],
  [
    'a suspect joins others',
    'keyOrdered',
    { file: 'credit.ts', code: 'const fits = this.#messages === 0 && (', instead: 'const fits = (' },
  ],
  [
    'what is behind a suspect passes it',
    'exclusive',
    {
      file: 'exclusive-sequencer.ts',
      code: 'return entry?.isSuspect === true ? undefined : entry;',
      instead: 'return entry;',
    },
  ],
];

const RESUMED: readonly (readonly [string, DeliveryMode, PlantedBug])[] = [
  [
    'who is out of reach gets more',
    'shared',
    { file: 'subscription.ts', code: 'return this.writable && !this.onHold;', instead: 'return this.writable;' },
  ],
  [
    'what was lost on the way does not come again',
    'shared',
    { file: 'outflow.ts', code: 'deliveryNo >= lostFrom', instead: 'deliveryNo > lostFrom' },
  ],
  [
    'what was lost and extended does not come again',
    'shared',
    { file: 'subscription.ts', code: '[...this.inFlight, ...this.extended]', instead: '[...this.inFlight]' },
  ],
  [
    'what was lost comes again in another order',
    'exclusive',
    { file: 'subscription.ts', code: 'a.deliveryNo - b.deliveryNo', instead: 'b.deliveryNo - a.deliveryNo' },
  ],
  [
    'what was lost has the rest of its time only',
    'keyOrdered',
    { file: 'outflow.ts', code: 'this.#settlement.renew(entry, subscription, now);', instead: '' },
  ],
  [
    'a consumer out of reach is given up without a mark',
    'shared',
    { file: 'group-dispatcher.ts', code: 'subscription?.onHold === true', instead: 'subscription?.id === 0' },
  ],
];

const RETIRED: readonly (readonly [string, DeliveryMode, PlantedBug])[] = [
  [
    'what was pulled is given back at once',
    'shared',
    {
      file: 'group-dispatcher.ts',
      code: 'subscription.retired = true;',
      instead: 'this.unsubscribe(subscriptionId, { monotonicMs: 0, storeMs: 0 });',
    },
  ],
  [
    'what is expired, and no dead letter, waits for another attempt',
    'shared',
    { file: 'settlement.ts', code: 'this.settings.deadLetterExpired ? FATE.dead : FATE.done', instead: 'FATE.retry' },
  ],
  [
    'a redriven message expires again',
    'shared',
    { file: 'outflow.ts', code: 'mayExpire: !hasRecord', instead: 'mayExpire: true' },
  ],
  [
    'who has pulled gets more',
    'shared',
    {
      file: 'group-dispatcher.ts',
      code: 'this.#turns.retire(subscriptionId)',
      instead: 'this.#turns.get(subscriptionId)',
    },
  ],
];

const CUT: readonly (readonly [string, DeliveryMode, PlantedBug])[] = [
  [
    'what is in flight is not given up with what the log loses',
    'shared',
    {
      file: 'lane.ts',
      code: '!stored && state !== ENTRY_STATE.settling',
      instead: '!stored && state === ENTRY_STATE.ready',
    },
  ],
  [
    'retries are given up though they have copies',
    'keyOrdered',
    {
      file: 'lane.ts',
      code: '!stored && state !== ENTRY_STATE.settling',
      instead: 'stored !== undefined && state !== ENTRY_STATE.settling',
    },
  ],
  [
    'the log is cut under a retry that has no copy',
    'shared',
    { file: 'lane.ts', code: '({ hasRecord }) => !hasRecord', instead: '({ stored }) => !stored' },
  ],
  [
    'the log is kept for a retry that has its copy',
    'shared',
    { file: 'lane.ts', code: '({ hasRecord }) => !hasRecord', instead: '() => true' },
  ],
  [
    'a retry is taken to have a copy that it has not',
    'exclusive',
    { file: 'lane.ts', code: 'entry.stored && !entry.hasRecord', instead: 'entry.state === ENTRY_STATE.waiting' },
  ],
];

const SOURCES = join(__dirname, '..', 'src', 'index.ts');

describe('planted bugs are found by the model', () => {
  it.each([...PLANTED, ...STRUCK, ...RESUMED, ...RETIRED, ...CUT])(
    '%s',
    (_, mode, bug) => {
      const code = loadWithBug(SOURCES, bug) as DeliveryCode;
      const failure = findFailure({
        seeds: HISTORIES_TO_FIND_A_BUG,
        scenario: (simulation) => {
          new Comparison(simulation, mode, 3, code).play();
        },
      });
      expect(failure?.message).toBeDefined();
      expect(failure?.message).not.toContain('NOT REPRODUCED');
    },
    60_000,
  );
});
