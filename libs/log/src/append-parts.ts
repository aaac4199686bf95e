import { createDeferred } from '@hermes/runtime';

import type { NewRecord } from './append-batch.js';
import type { WaitingAppend } from './append-queue.js';
import type { AppendPart, AppendResult } from './append-result.js';

/** A result as parts: one, unless the call was divided. `records` is how many the call had. */
export function partsOf(result: AppendResult, records: number): readonly AppendPart[] {
  return result.kind === 'divided' ? result.parts : [{ records, result }];
}

/**
 * A call as calls that fit, or have one record, in their order: once one of them fails, none that comes after it is
 * tried. It is answered when all of them are.
 */
export function divide(call: WaitingAppend, fits: (records: number, bytes: number) => boolean): WaitingAppend[] {
  const { deadlineMs, chain = { broken: false } } = call;
  const parts = split(call.records, fits).map((records) => {
    return { records, bytes: sizeOf(records), deadlineMs, chain, result: createDeferred<AppendResult>() };
  });
  const answers = parts.map(async ({ records, result }) => partsOf(await result.promise, records.length));
  Promise.all(answers).then(
    (answered) => {
      call.result.resolve({ kind: 'divided', parts: answered.flat() });
    },
    (error: unknown) => {
      call.result.reject(error as Error);
    },
  );
  return parts;
}

/** What a store has to take: the records and their ref keys. */
export function sizeOf(records: readonly NewRecord[]): number {
  let bytes = 0;
  for (const { record, refKey } of records) {
    bytes += record.length + (refKey?.length ?? 0);
  }
  return bytes;
}

function split(records: readonly NewRecord[], fits: (records: number, bytes: number) => boolean): NewRecord[][] {
  const parts: NewRecord[][] = [];
  let part: NewRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = sizeOf([record]);
    if (part.length > 0 && !fits(part.length + 1, bytes + size)) {
      parts.push(part);
      [part, bytes] = [[], 0];
    }
    part.push(record);
    bytes += size;
  }
  return [...parts, part];
}
