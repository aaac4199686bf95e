/// <reference types="jest" />
import { describeGroupState } from './group-state-contract.js';
import { describeMessageLog } from './message-log-contract.js';
import { describeOpening } from './opening-contract.js';
import { describeProducerState } from './producer-state-contract.js';
import { describeSchedule } from './schedule-contract.js';
import { describeStateOnly } from './state-only-contract.js';
import type { MakeHarness } from './store-harness.js';

export { type MakeHarness, type StoreHarness } from './store-harness.js';

/** Everything that a storage class must do, as tests; call it from a test file of the store. */
export function describeStorageEngine(name: string, makeHarness: MakeHarness): void {
  describe(`${name} keeps the contract:`, () => {
    describeMessageLog(makeHarness);
    describeOpening(makeHarness);
    describeGroupState(makeHarness);
    describeSchedule(makeHarness);
    describeProducerState(makeHarness);
    describeStateOnly(makeHarness);
  });
}
