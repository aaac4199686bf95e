/// <reference types="jest" />
import { describeGroupState } from './group-state-contract.js';
import { describeMessageLog } from './message-log-contract.js';
import { describeOpening } from './opening-contract.js';
import { describeProducerState } from './producer-state-contract.js';
import { describeSchedule } from './schedule-contract.js';
import { describeStateOnly } from './state-only-contract.js';
import type { MakeHarness, StoreAbilities } from './store-harness.js';

export { type MakeHarness, type StoreAbilities, type StoreHarness } from './store-harness.js';

const ABLE: StoreAbilities = { appendFence: true, damage: true, joined: true };

/** Everything that a storage class must do, as tests; call it from a test file of a store that keeps logs and state. */
export function describeStorageEngine(name: string, makeHarness: MakeHarness): void {
  describe(`${name} keeps the contract:`, () => {
    describeMessageLog(makeHarness, ABLE);
    describeOpening(makeHarness, ABLE);
    describeGroupState(makeHarness, ABLE);
    describeSchedule(makeHarness);
    describeProducerState(makeHarness);
    describeStateOnly(makeHarness);
  });
}

/** The same for a store that keeps logs alone, and state in another: as far as it is able to. */
export function describeLogEngine(name: string, makeHarness: MakeHarness, abilities: StoreAbilities): void {
  describe(`${name} keeps the contract:`, () => {
    describeMessageLog(makeHarness, abilities);
    describeOpening(makeHarness, abilities);
    describeGroupState(makeHarness, abilities);
    describeSchedule(makeHarness);
    describeProducerState(makeHarness);
  });
}
