import type { DeadLetterEntry, GroupChange, LaneCursor, RetryEntry } from '@hermes/delivery';

export interface GroupLane<T> {
  readonly groupId: number;
  readonly value: T;
}

/** What a run of changes comes to: the last word on each row, to be written in a few statements. */
export interface GroupPlan {
  readonly cursors: ReadonlyMap<string, GroupLane<LaneCursor>>;
  readonly holders: ReadonlyMap<number, { readonly consumerEpoch: number; readonly token: number }>;
  readonly deadLetters: readonly GroupLane<DeadLetterEntry>[];
  /** By row; without an entry the row goes. */
  readonly retries: ReadonlyMap<string, RetryChange>;
}

export interface RetryChange {
  readonly groupId: number;
  readonly lane: number;
  readonly offset: number;
  readonly entry: RetryEntry | undefined;
}

/** What is rare, and written by itself. */
export type SingleChange = Extract<
  GroupChange,
  { readonly kind: 'created' | 'deleted' | 'redriven' | 'deadLetterDone' | 'keepRecords' | 'inFlight' | 'seek' }
>;

/** A step of a commit: a change that is written by itself, or what lies between two of those. */
export type GroupStep = SingleChange | { readonly kind: 'plan'; readonly plan: GroupPlan };

/** Splits changes into steps, so that writing these in order comes to the same as the changes one by one. */
export function planSteps(changes: readonly GroupChange[]): GroupStep[] {
  const steps: GroupStep[] = [];
  let run: PlannedChange[] = [];
  const flush = (): void => {
    if (run.length > 0) {
      steps.push({ kind: 'plan', plan: plan(run) });
      run = [];
    }
  };
  for (const change of changes) {
    if (isPlanned(change)) {
      run.push(change);
    } else {
      flush();
      steps.push(change);
    }
  }
  flush();
  return steps;
}

type PlannedChange = Exclude<GroupChange, SingleChange>;

const PLANNED: ReadonlySet<GroupChange['kind']> = new Set<PlannedChange['kind']>([
  ...(['cursor', 'holder', 'retry', 'retryDone', 'deadLetter'] as const),
]);

function isPlanned(change: GroupChange): change is PlannedChange {
  return PLANNED.has(change.kind);
}

function plan(changes: readonly PlannedChange[]): GroupPlan {
  const cursors = new Map<string, GroupLane<LaneCursor>>();
  const holders = new Map<number, { consumerEpoch: number; token: number }>();
  const deadLetters: GroupLane<DeadLetterEntry>[] = [];
  const retries = new Map<string, RetryChange>();
  for (const change of changes) {
    const { groupId } = change;
    switch (change.kind) {
      case 'cursor':
        cursors.set(`${groupId}/${change.cursor.lane}`, { groupId, value: change.cursor });
        break;
      case 'holder':
        holders.set(groupId, { consumerEpoch: change.consumerEpoch, token: change.token });
        break;
      case 'retry': {
        const { lane, offset } = change.entry;
        retries.set(`${groupId}/${lane}/${offset}`, { groupId, lane, offset, entry: change.entry });
        break;
      }
      case 'retryDone': {
        const { lane, offset } = change;
        retries.set(`${groupId}/${lane}/${offset}`, { groupId, lane, offset, entry: undefined });
        break;
      }
      case 'deadLetter':
        deadLetters.push({ groupId, value: change.entry });
        break;
    }
  }
  return { cursors, holders, deadLetters, retries };
}
