import { LIMITS } from '@hermes/contracts';
import { type DeadLetterPlace } from '@hermes/delivery';
import { type StoredDeadLetter } from '@hermes/log';
import { type Partition } from '../partition/partition.js';

/** Dead letters that one read gives. */
const PAGE_RECORDS_MAX = 200;

/** A group's dead letters in one partition from a place on, in the order of their places. Rejects with StoreError. */
export async function* deadLettersFrom(
  partition: Partition,
  groupId: number,
  from: DeadLetterPlace,
): AsyncGenerator<StoredDeadLetter> {
  const bounds = { maxRecords: PAGE_RECORDS_MAX, maxBytes: LIMITS.frameBytes };
  let next = from;
  while (next.lane < partition.lanes.length) {
    const letters = await partition.groupState.deadLetters(groupId, { from: next, ...bounds });
    yield* letters;
    const last = letters.at(-1);
    next = last === undefined ? { lane: next.lane + 1, offset: 0, generation: 0 } : placeAfter(last);
  }
}

/** The dead letters of one message: after a seek it may have died again. */
export async function deadLettersAt(
  partition: Partition,
  groupId: number,
  { lane, offset }: Pick<DeadLetterPlace, 'lane' | 'offset'>,
): Promise<StoredDeadLetter[]> {
  const found: StoredDeadLetter[] = [];
  for await (const letter of deadLettersFrom(partition, groupId, { lane, offset, generation: 0 })) {
    if (letter.lane !== lane || letter.offset !== offset) {
      break;
    }
    found.push(letter);
  }
  return found;
}

/** Where the next dead letter may stand. */
export function placeAfter({ lane, offset, generation }: DeadLetterPlace): DeadLetterPlace {
  return { lane, offset, generation: generation + 1 };
}
