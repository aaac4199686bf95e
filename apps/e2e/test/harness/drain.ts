import type { Hermes } from '@hermes/client';
import { eventually } from '@hermes/testing';

import type { Ledger } from './ledger.js';
import { placed } from './placed.js';

const DRAIN_DEADLINE_MS = 90_000;
/** Each look goes through all messages, in the process of the consumers. */
const LOOK_EVERY_MS = 500;

/** What the cluster says of a group, for the message of a test that waits in vain. */
async function situation(hermes: Hermes, topic: string, group: string): Promise<string> {
  const [{ lanes, consumers }, partitions] = await Promise.all([
    hermes.admin.describeGroup(topic, group),
    placed(hermes, topic),
  ]);
  return JSON.stringify({ lanes, consumers, partitions }, undefined, 1);
}

/** Waits until a group has seen everything that was acknowledged to its publisher. */
export async function seenAll(hermes: Hermes, ledger: Ledger, topic: string, group: string): Promise<void> {
  try {
    await eventually(() => ledger.missing(group) === 0, { deadlineMs: DRAIN_DEADLINE_MS, intervalMs: LOOK_EVERY_MS });
  } catch {
    const lost = ledger.violations(group).lost.join(', ');
    throw new Error(`group ${group} never saw ${lost}\n${await situation(hermes, topic, group)}`);
  }
}

/** Waits until a group has nothing left: no lag, nothing in flight, no retries, no dead letters. */
export async function settledAll(hermes: Hermes, topic: string, group: string): Promise<void> {
  const isSettled = async (): Promise<boolean> => {
    const { lanes } = await hermes.admin.describeGroup(topic, group);
    return lanes.every(({ lag, inFlight, retrying, deadLetters }) => lag + inFlight + retrying + deadLetters === 0);
  };
  try {
    await eventually(isSettled, { deadlineMs: DRAIN_DEADLINE_MS, intervalMs: LOOK_EVERY_MS });
  } catch {
    throw new Error(`group ${group} never settled everything\n${await situation(hermes, topic, group)}`);
  }
}
