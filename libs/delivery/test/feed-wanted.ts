import { type GroupDispatcher, type Now } from '../src/index.js';

const RECORDS_MAX = 1_024;
const RECORD_BYTES = 100;

/** A lane's log whose messages follow from their offsets. */
export interface ImaginedLog {
  readonly messages: number;
  readonly keyHashOf: (offset: number) => number;
  /** False: it is filtered out. */
  readonly isWanted?: (offset: number) => boolean;
}

/** Gives a dispatcher the records that it wants of its only lane; false if there was nothing more to give. */
export function feedWanted(dispatcher: GroupDispatcher, log: ImaginedLog, now: Now): boolean {
  const { messages, keyHashOf, isWanted = () => true } = log;
  const wanted = dispatcher.wanted(now);
  for (const { from, recordsMax } of wanted) {
    const nextOffset = Math.min(messages, from + Math.min(recordsMax, RECORDS_MAX));
    const offsets = Array.from({ length: nextOffset - from }, (_, at) => from + at).filter(isWanted);
    const ends = offsets.map((_, at) => (at + 1) * RECORD_BYTES);
    dispatcher.feed(0, { from, nextOffset, offsets, keyHashes: offsets.map(keyHashOf), ends });
  }
  return wanted.some(({ from }) => from < messages);
}
