import type { DeadLetterEntry, GroupChange, LaneCursor, RetryEntry } from '@hermes/delivery';

export interface GroupLane<T> {
  readonly groupId: number;
  readonly value: T;
}

/** What a run of changes comes to: the last word on each row, to be written in a few statements. */
export interface GroupPlan {
  readonly cursors: ReadonlyMap<string, GroupLane<LaneCursor>>;
  readonly holders: ReadonlyMap<number, { readonly consumerEpoch: number; readonly token: number }>;
  readonly deadLetters: readonly DeadLetterChange[];
  /** By row; without an entry the row goes. */
  readonly retries: ReadonlyMap<string, RetryChange>;
}

export interface RetryChange {
  readonly groupId: number;
  readonly lane: number;
  readonly offset: number;
  readonly entry: RetryEntry | undefined;
  /** The message itself, if it came with the change. */
  readonly record: Uint8Array | undefined;
}

export interface DeadLetterChange {
  readonly groupId: number;
  readonly entry: DeadLetterEntry;
  readonly record: Uint8Array | undefined;
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
  const deadLetters: DeadLetterChange[] = [];
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
        const { entry } = change;
        const { lane, offset } = entry;
        // What a row keeps it goes on to keep.
        const record = retries.get(rowOf(groupId, entry))?.record ?? change.record;
        retries.set(rowOf(groupId, entry), { groupId, lane, offset, entry, record });
        break;
      }
      case 'retryDone': {
        const { lane, offset } = change;
        retries.set(rowOf(groupId, change), { groupId, lane, offset, entry: undefined, record: undefined });
        break;
      }
      case 'deadLetter': {
        const { entry } = change;
        // Dead letters are written first: what its retry has got in this run is in no row by then.
        const record = change.record ?? retries.get(rowOf(groupId, entry))?.record;
        deadLetters.push({ groupId, entry, record });
        break;
      }
    }
  }
  return { cursors, holders, deadLetters, retries };
}

const rowOf = (groupId: number, { lane, offset }: { readonly lane: number; readonly offset: number }): string =>
  `${groupId}/${lane}/${offset}`;
