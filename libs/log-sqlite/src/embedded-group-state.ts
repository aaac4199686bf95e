import type { DeadLetterPlace, GroupChange, GroupSnapshot } from '@hermes/delivery';
import type {
  CommitOutcome,
  DeadLetterAges,
  DeadLetterRange,
  GroupCounts,
  GroupState,
  StoredDeadLetter,
} from '@hermes/log';

import type { PartitionCalls } from './partition-calls.js';
import { definite } from './write-outcome.js';

/** The groups' state of an embedded partition. */
export class EmbeddedGroupState implements GroupState {
  readonly #calls: PartitionCalls;

  constructor(calls: PartitionCalls) {
    this.#calls = calls;
  }

  groupIds(): Promise<readonly number[]> {
    return this.#calls.call('groupIds', {});
  }

  load(groupId: number): Promise<GroupSnapshot | undefined> {
    return this.#calls.call('load', { groupId });
  }

  async commit(changes: readonly GroupChange[]): Promise<CommitOutcome> {
    const { answer } = await this.#calls.write({ op: 'commit', changes: changes.map(withOwnBytes) }, []);
    return answer.kind === 'committed' ? { kind: 'committed' } : definite(answer);
  }

  counts(groupId: number): Promise<GroupCounts> {
    return this.#calls.call('counts', { groupId });
  }

  retryRecord(groupId: number, lane: number, offset: number): Promise<Uint8Array | undefined> {
    return this.#calls.call('retryRecord', { groupId, lane, offset });
  }

  deadLetters(groupId: number, range: DeadLetterRange): Promise<readonly StoredDeadLetter[]> {
    return this.#calls.call('deadLetters', { groupId, range });
  }

  deadLettersByAge(groupId: number, range: DeadLetterAges): Promise<readonly DeadLetterPlace[]> {
    return this.#calls.call('deadLettersByAge', { groupId, range });
  }
}

/** A view would take the whole buffer behind it to the other thread. */
function withOwnBytes(change: GroupChange): GroupChange {
  if (change.kind !== 'retry' && change.kind !== 'deadLetter') {
    return change;
  }
  const { record } = change;
  const isView = record !== undefined && record.byteLength < record.buffer.byteLength;
  return isView ? { ...change, record: new Uint8Array(record) } : change;
}
