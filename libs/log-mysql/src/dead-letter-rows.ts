import type { DeadLetterCause, DeadLetterPlace } from '@hermes/delivery';
import type { DeadLetterAges, DeadLetterRange, StoredDeadLetter } from '@hermes/log';

import { GROUP_SQL } from './group-sql.js';
import { fittingRows } from './page-size.js';
import type { PartitionAddress } from './partition-rows.js';
import type { Session } from './session.js';

/** The copy that a retry keeps of its record. */
export async function retryRecord(
  session: Session,
  { topicId, partition }: PartitionAddress,
  groupId: number,
  { lane, offset }: { readonly lane: number; readonly offset: number },
): Promise<Uint8Array | undefined> {
  const { rows } = await session.execute(GROUP_SQL.retryRecord, [topicId, partition, groupId, lane, offset]);
  return rows[0]?.[0] as Uint8Array | undefined;
}

/** Dead letters of one lane, as many as the range's bytes allow. */
export async function deadLetters(
  session: Session,
  { topicId, partition }: PartitionAddress,
  groupId: number,
  { from, maxRecords, maxBytes }: DeadLetterRange,
): Promise<StoredDeadLetter[]> {
  const range = [topicId, partition, groupId, from.lane, from.offset, from.offset, from.generation];
  const sizes = await session.execute(GROUP_SQL.deadLetterSizes, [...range, maxRecords]);
  const count = fittingRows(
    sizes.rows.map(([, , size]) => Number(size)),
    maxBytes,
  );
  return count === 0 ? [] : (await session.execute(GROUP_SQL.deadLetters, [...range, count])).rows.map(toDeadLetter);
}

export async function deadLettersByAge(
  session: Session,
  { topicId, partition }: PartitionAddress,
  groupId: number,
  { first, diedBeforeMs, max }: DeadLetterAges,
): Promise<DeadLetterPlace[]> {
  const statement = first === 'oldest' ? GROUP_SQL.oldestDeadLetters : GROUP_SQL.newestDeadLetters;
  const { rows } = await session.execute(statement, [topicId, partition, groupId, diedBeforeMs, max]);
  return rows.map(([lane, offset, generation]) => ({
    ...{ lane: Number(lane), offset: Number(offset), generation: Number(generation) },
  }));
}

function toDeadLetter(row: readonly unknown[]): StoredDeadLetter {
  const [lane, offset, generation, attempts, cause] = row.map(Number) as [0, 0, 0, 0, DeadLetterCause];
  const [keyHash, diedAtMs] = [Number(row[6]), Number(row[7])];
  const record = row[8] as Uint8Array;
  return { lane, offset, generation, attempts, cause, reason: String(row[5]), keyHash, diedAtMs, record };
}
