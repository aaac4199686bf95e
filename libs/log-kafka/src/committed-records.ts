import type { FetchedPartition, RawRecord } from 'kafkajs/src/cluster/index.js';

/** In the key of a transaction's mark: a version, then its kind (2 bytes each). */
const MARK_KIND_AT = 2;
const ABORTED = 0;

/**
 * The records of one fetch that are messages of somebody: without the marks that end transactions, and without what was
 * aborted. (kafkajs' own filter takes any record whose key is the integer 0 for such a mark, and knows one transaction
 * too few where several had begun before the fetch.)
 */
export function committedRecords({ messages, abortedTransactions }: FetchedPartition): readonly RawRecord[] {
  const begun = (abortedTransactions ?? []).map(({ producerId, firstOffset }) => ({
    producerId,
    at: Number(firstOffset),
  }));
  begun.sort((one, other) => one.at - other.at);
  const aborted = new Set<string>();
  let next = 0;
  return messages.filter((message) => {
    for (let one = begun[next]; one !== undefined && one.at <= Number(message.offset); one = begun[next]) {
      aborted.add(one.producerId);
      next += 1;
    }
    const { batchContext, isControlRecord, key } = message;
    if (isControlRecord === true) {
      if (key !== null && key.length >= MARK_KIND_AT + 2 && key.readInt16BE(MARK_KIND_AT) === ABORTED) {
        aborted.delete(batchContext?.producerId ?? '');
      }
      return false;
    }
    return batchContext?.inTransaction !== true || !aborted.has(batchContext.producerId);
  });
}
