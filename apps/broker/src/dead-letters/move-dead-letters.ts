import { type MessageId } from '@hermes/contracts';
import { type DeadLetterPlace, type GroupChange, type RetryEntry } from '@hermes/delivery';
import { type Filter } from '@hermes/filter';
import { type StoredDeadLetter } from '@hermes/log';
import { subjectOf } from '../filter/filter-subject.js';
import { type GroupInPartition } from '../partition/group-in-partition.js';
import { deadLettersAt, deadLettersFrom } from './dead-letter-walk.js';

/** Dead letters of one call. */
export const MOVED_MAX = 10_000;
/** Dead letters that one transaction moves: it holds other settles up. */
const BATCH_MAX = 500;
/** What is left is counted up to this: more than none says to call again. */
const REMAINING_MAX = 10_000;

/** Which dead letters a call means. */
export type DeadLetterSelection =
  | { readonly kind: 'ids'; readonly ids: readonly MessageId[] }
  | { readonly kind: 'matching'; readonly filter: Filter | undefined };

export interface Moved {
  readonly count: number;
  readonly remaining: number;
}

/**
 * Redrives or discards dead letters of a group in one partition, at most `max`, durably, in batches: if it throws, the
 * batches before are done. One such call of a group at a time.
 */
export function moveDeadLetters(
  group: GroupInPartition,
  selection: DeadLetterSelection,
  how: 'redrive' | 'discard',
  max: number,
): Promise<Moved> {
  return group.pump.serial.run(async () => {
    const groupId = group.pump.settings.id;
    let [count, remaining] = [0, 0];
    let batch: StoredDeadLetter[] = [];
    const flush = async (): Promise<void> => {
      if (batch.length > 0) {
        await (how === 'redrive' ? redrive(group, batch) : discard(group, batch));
        count += batch.length;
        batch = [];
      }
    };
    for await (const letter of selected(group, groupId, selection)) {
      if (count + batch.length < max) {
        batch.push(letter);
        if (batch.length >= BATCH_MAX) {
          await flush();
        }
      } else if ((remaining += 1) >= REMAINING_MAX) {
        break;
      }
    }
    await flush();
    return { count, remaining };
  });
}

async function* selected(
  { partition }: GroupInPartition,
  groupId: number,
  selection: DeadLetterSelection,
): AsyncGenerator<StoredDeadLetter> {
  if (selection.kind === 'ids') {
    for (const { lane, offset } of selection.ids.filter((id) => id.partition === partition.number)) {
      yield* await deadLettersAt(partition, groupId, { lane, offset });
    }
    return;
  }
  const { filter } = selection;
  for await (const letter of deadLettersFrom(partition, groupId, { lane: 0, offset: 0, generation: 0 })) {
    if (filter === undefined || filter(subjectOf(letter.record))) {
      yield letter;
    }
  }
}

async function discard({ partition, pump }: GroupInPartition, letters: readonly StoredDeadLetter[]): Promise<void> {
  await partition.commit(letters.map((letter) => done(pump.settings.id, letter)));
}

/**
 * A message that the group has anyway, since it was moved back or died twice, needs no second row: its dead letter only
 * goes.
 */
async function redrive({ partition, pump }: GroupInPartition, letters: readonly StoredDeadLetter[]): Promise<void> {
  const groupId = pump.settings.id;
  const dueAtMs = Math.floor(partition.timeMs());
  const retries = new Map<string, RetryEntry>();
  const changes = letters.map((letter): GroupChange => {
    const { lane, offset, generation, keyHash } = letter;
    const key = `${lane}/${offset}`;
    if (retries.has(key) || !pump.isOver(lane, offset)) {
      return done(groupId, letter);
    }
    retries.set(key, { lane, offset, generation, keyHash, dueAtMs, attempts: 0, strikes: 0, reason: '' });
    return { kind: 'redriven', groupId, place: placeOf(letter), dueAtMs };
  });
  await partition.commit(changes);
  pump.redriven([...retries.values()]);
}

function done(groupId: number, letter: StoredDeadLetter): GroupChange {
  return { kind: 'deadLetterDone', groupId, place: placeOf(letter) };
}

function placeOf({ lane, offset, generation }: StoredDeadLetter): DeadLetterPlace {
  return { lane, offset, generation };
}
