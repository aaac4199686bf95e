import type { DeadLetterPlace, GroupChange, GroupSnapshot } from '@hermes/delivery';
import type {
  CommitOutcome,
  DeadLetterAges,
  DeadLetterRange,
  GroupCounts,
  GroupState,
  OpeningGate,
  StoredDeadLetter,
} from '@hermes/log';

import type { ConnectionSet } from './connection-set.js';
import { deadLetters, deadLettersByAge, retryRecord } from './dead-letter-rows.js';
import type { FencedWriter } from './fenced-writer.js';
import * as groupRows from './group-rows.js';
import { readFault } from './mysql-fault.js';
import type { OpenedPartition } from './partition-rows.js';
import type { Session } from './session.js';

export interface MysqlGroupStateOptions {
  readonly address: OpenedPartition;
  readonly fenced: FencedWriter;
  readonly reads: ConnectionSet;
  readonly gate: OpeningGate;
  /** Work that nobody waits for. */
  readonly background: (name: string, task: () => Promise<void>) => void;
}

/** The groups' state of a partition on MySQL. */
export class MysqlGroupState implements GroupState {
  readonly #options: MysqlGroupStateOptions;

  constructor(options: MysqlGroupStateOptions) {
    this.#options = options;
  }

  groupIds(): Promise<readonly number[]> {
    return this.#read((session) => groupRows.groupIds(session, this.#options.address));
  }

  load(groupId: number): Promise<GroupSnapshot | undefined> {
    return this.#read((session) => groupRows.load(session, this.#options.address, groupId));
  }

  counts(groupId: number): Promise<GroupCounts> {
    return this.#read((session) => groupRows.counts(session, this.#options.address, groupId));
  }

  retryRecord(groupId: number, lane: number, offset: number): Promise<Uint8Array | undefined> {
    return this.#read((session) => retryRecord(session, this.#options.address, groupId, { lane, offset }));
  }

  deadLetters(groupId: number, range: DeadLetterRange): Promise<readonly StoredDeadLetter[]> {
    return this.#read((session) => deadLetters(session, this.#options.address, groupId, range));
  }

  deadLettersByAge(groupId: number, range: DeadLetterAges): Promise<readonly DeadLetterPlace[]> {
    return this.#read((session) => deadLettersByAge(session, this.#options.address, groupId, range));
  }

  async commit(changes: readonly GroupChange[]): Promise<CommitOutcome> {
    const { gate, fenced, address } = this.#options;
    if (gate.refusal !== undefined) {
      return { kind: 'refused', error: gate.refusal };
    }
    const outcome = await gate.run(() => fenced.write((session) => groupRows.write(session, address, changes)));
    if (outcome.kind === 'committed' && changes.some(({ kind }) => kind === 'deleted')) {
      this.sweep();
    }
    return outcome;
  }

  /** Deletes what groups that are gone have left, a thousand rows per transaction. */
  sweep(): void {
    const { gate, fenced, address, background } = this.#options;
    background(`sweep groups of ${address.topicId}/${address.partition}`, async () => {
      // Mostly there is nothing, and a transaction would cost a flush.
      let isMore =
        gate.refusal === undefined && (await this.#read((session) => groupRows.hasOrphans(session, address)));
      while (isMore && gate.refusal === undefined) {
        await gate.run(() =>
          fenced.write(async (session) => {
            isMore = (await groupRows.sweep(session, address)) > 0;
          }),
        );
      }
    });
  }

  #read<T>(job: (session: Session) => Promise<T>): Promise<T> {
    const { gate, reads } = this.#options;
    return gate.run(async () => {
      try {
        return await reads.run(job);
      } catch (error) {
        throw readFault(error, 'read group state');
      }
    });
  }
}
