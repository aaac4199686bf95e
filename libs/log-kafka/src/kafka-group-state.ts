import type { GroupChange, GroupSnapshot } from '@hermes/delivery';
import {
  type CommitOutcome,
  type DeadLetterAges,
  type DeadLetterRange,
  type GroupCounts,
  type GroupState,
  type StoredDeadLetter,
  StoreError,
} from '@hermes/log';
import { Serial } from '@hermes/runtime';
import type { DeadLetterPlace } from '@hermes/delivery';

import type { KafkaLog } from './kafka-log.js';

type RecordChange = Extract<GroupChange, { readonly kind: 'retry' | 'deadLetter' }>;

/**
 * Groups' state beside a log in Kafka: a transaction of the state's store cannot copy records from there, so they are
 * read first and go with the changes. A retry keeps a copy of its record.
 */
export class KafkaGroupState implements GroupState {
  readonly #state: GroupState;
  readonly #lanes: readonly Pick<KafkaLog, 'nextOffset' | 'recordsAt'>[];
  /** As the opening has read them; each until it is loaded or changed. */
  readonly #snapshots: Map<number, GroupSnapshot>;
  readonly #serial = new Serial();

  constructor(
    state: GroupState,
    lanes: readonly Pick<KafkaLog, 'nextOffset' | 'recordsAt'>[],
    snapshots: readonly GroupSnapshot[],
  ) {
    this.#state = state;
    this.#lanes = lanes;
    this.#snapshots = new Map(snapshots.map((snapshot) => [snapshot.groupId, snapshot]));
  }

  groupIds(): Promise<readonly number[]> {
    return this.#state.groupIds();
  }

  load(groupId: number): Promise<GroupSnapshot | undefined> {
    const snapshot = this.#snapshots.get(groupId);
    this.#snapshots.delete(groupId);
    return snapshot === undefined ? this.#state.load(groupId) : Promise.resolve(snapshot);
  }

  /** In the order of the calls. */
  commit(changes: readonly GroupChange[]): Promise<CommitOutcome> {
    changes.forEach(({ groupId }) => this.#snapshots.delete(groupId));
    return this.#serial.run(async () => {
      try {
        return await this.#state.commit(await this.#withRecords(changes));
      } catch (error) {
        if (error instanceof StoreError) {
          return { kind: 'refused', error };
        }
        throw error;
      }
    });
  }

  counts(groupId: number): Promise<GroupCounts> {
    return this.#state.counts(groupId);
  }

  retryRecord(groupId: number, lane: number, offset: number): Promise<Uint8Array | undefined> {
    return this.#state.retryRecord(groupId, lane, offset);
  }

  deadLetters(groupId: number, range: DeadLetterRange): Promise<readonly StoredDeadLetter[]> {
    return this.#state.deadLetters(groupId, range);
  }

  deadLettersByAge(groupId: number, range: DeadLetterAges): Promise<readonly DeadLetterPlace[]> {
    return this.#state.deadLettersByAge(groupId, range);
  }

  async #withRecords(changes: readonly GroupChange[]): Promise<readonly GroupChange[]> {
    const wanted = changes.filter(isRecordChange);
    if (wanted.length === 0) {
      return changes;
    }
    const found = await Promise.all(
      this.#lanes.map((log, lane) =>
        log.recordsAt(wanted.filter(({ entry }) => entry.lane === lane).map(({ entry }) => entry.offset)),
      ),
    );
    const complete = changes.map(async (change) => {
      const record = isRecordChange(change) ? found[change.entry.lane]?.get(change.entry.offset) : undefined;
      return record === undefined ? this.#withoutRecord(change) : { ...change, record };
    });
    return (await Promise.all(complete)).filter((change) => change !== undefined);
  }

  /** What Kafka does not keep any more has its copy in the retry's row; a letter that has none is none. */
  async #withoutRecord(change: GroupChange): Promise<GroupChange | undefined> {
    if (change.kind !== 'deadLetter' || change.record !== undefined) {
      return change;
    }
    const { lane, offset } = change.entry;
    const wasThere = offset < (this.#lanes[lane]?.nextOffset ?? 0);
    const isGone = wasThere && (await this.#state.retryRecord(change.groupId, lane, offset)) === undefined;
    return isGone ? undefined : change;
  }
}

function isRecordChange(change: GroupChange): change is RecordChange {
  return change.kind === 'retry' || change.kind === 'deadLetter';
}
