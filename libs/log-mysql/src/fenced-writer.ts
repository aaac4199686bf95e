import type { CommitOutcome, DefiniteCommitOutcome } from '@hermes/log';
import { StoreError } from '@hermes/log';
import { Backoff, invariant, type Random, sleep, type Timers } from '@hermes/runtime';

import type { ConnectionSlot } from './connection-set.js';
import { ERRNO, errnoOf, MysqlError, readFault } from './mysql-fault.js';
import type { PartitionAddress } from './partition-rows.js';
import * as partitionRows from './partition-rows.js';
import type { Session } from './session.js';

export interface FencedWriterOptions extends PartitionAddress {
  readonly epoch: number;
  /** As read after the epoch was raised. */
  readonly settleSeq: number;
  /** The connection on which the epoch was raised. */
  readonly connectionId: number;
  readonly slot: ConnectionSlot;
  /** Ends another connection of the server. */
  readonly kill: (connectionId: number) => Promise<void>;
  readonly timers: Timers;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** Thrown inside a transaction when a newer owner is found; never leaves this file. */
class FencedError extends Error {
  override readonly name = 'FencedError';
  readonly epoch: number;

  constructor(epoch: number) {
    super(`epoch ${epoch} has the partition`);
    this.epoch = epoch;
  }
}

/** Thrown when the answer to a COMMIT was lost; never leaves this file. */
class CommitUnknownError extends Error {
  override readonly name = 'CommitUnknownError';
}

const RETRY = { initialMs: 20, maxMs: 1_000 };

/**
 * All writes of a partition beside its lanes: one transaction at a time, whose first statement raises `settle_seq`
 * where epoch and sequence are what this owner knows. That one row is fence, order and identity: a stale owner changes
 * no row, and after a COMMIT without an answer the sequence tells what became of it.
 */
export class FencedWriter {
  readonly #options: FencedWriterOptions;
  #settleSeq: number;
  /** Where the row says that our transactions run. */
  #connectionId: number;
  /** Where the latest one ran. */
  #currentId = 0;
  #tail: Promise<unknown> = Promise.resolve();
  /** Nobody knows yet what became of the latest COMMIT. */
  #isInDoubt = false;
  readonly #abandoned = new AbortController();

  constructor(options: FencedWriterOptions) {
    this.#options = options;
    this.#settleSeq = options.settleSeq;
    this.#connectionId = options.connectionId;
  }

  /** Runs `write` in a fenced transaction, after those before it, whose outcomes are then known. */
  write(write: (session: Session) => Promise<void>): Promise<CommitOutcome> {
    const outcome = this.#tail.then(() => this.#write(write));
    this.#tail = outcome.then((found) => (found.kind === 'inDoubt' ? found.resolution : found)).catch(() => undefined);
    return outcome;
  }

  /** Resolves once every write's outcome is known, or will never be. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  /** What is in doubt stays so, and what waits for it is refused: that could be as long as the server is away. */
  abandon(): void {
    this.#abandoned.abort(new StoreError('closed', 'the partition is closed, and what became of a commit is unknown'));
  }

  async #write(write: (session: Session) => Promise<void>): Promise<CommitOutcome> {
    this.#options.signal.throwIfAborted();
    if (this.#isInDoubt) {
      this.#abandoned.signal.throwIfAborted();
    }
    try {
      await this.#options.slot.run((session) => this.#transaction(session, write));
      return { kind: 'committed' };
    } catch (error) {
      if (error instanceof CommitUnknownError) {
        this.#isInDoubt = true;
        return { kind: 'inDoubt', resolution: this.#resolve() };
      }
      if (error instanceof FencedError) {
        return { kind: 'fenced', epoch: error.epoch };
      }
      if (errnoOf(error) === ERRNO.lockWaitTimeout) {
        await this.#endStale();
      }
      return refusal(error);
    }
  }

  async #transaction(session: Session, write: (session: Session) => Promise<void>): Promise<void> {
    const seq = this.#settleSeq + 1;
    this.#currentId = session.id;
    await this.#noteConnection(session);
    try {
      await session.query('START TRANSACTION');
      if (!(await partitionRows.raiseSettleSeq(session, this.#options, seq))) {
        await this.#whoFenced(session);
      }
      await write(session);
    } catch (error) {
      await rollBack(session);
      throw error;
    }
    await this.#commit(session);
    this.#settleSeq = seq;
  }

  async #commit(session: Session): Promise<void> {
    try {
      await session.query('COMMIT');
    } catch (error) {
      if (!(error instanceof MysqlError)) {
        throw error;
      }
      // It may still be committing: nothing more goes over this connection.
      session.destroy();
      throw new CommitUnknownError(error.message);
    }
  }

  /** So that a newer owner knows which connection to end if our transaction holds it up. */
  async #noteConnection(session: Session): Promise<void> {
    if (this.#connectionId !== session.id) {
      if (!(await partitionRows.noteConnection(session, this.#options, session.id))) {
        await this.#whoFenced(session);
      }
      this.#connectionId = session.id;
    }
  }

  async #whoFenced(session: Session): Promise<never> {
    const { topicId, partition, epoch } = this.#options;
    const row = await partitionRows.find(session, this.#options);
    if (row === undefined) {
      throw new StoreError('dataLoss', `the partition_state row of ${topicId}/${partition} is gone`);
    }
    invariant(row.epoch > epoch, `settle_seq of ${topicId}/${partition} is ${row.settleSeq}, not ${this.#settleSeq}`);
    throw new FencedError(row.epoch);
  }

  /** What became of the COMMIT after which `settle_seq` would be one higher. */
  async #resolve(): Promise<DefiniteCommitOutcome> {
    const { timers, random, slot } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, this.#abandoned.signal]);
    const backoff = new Backoff(RETRY, random);
    for (;;) {
      signal.throwIfAborted();
      try {
        const row = await slot.run((session) => {
          this.#currentId = session.id;
          return partitionRows.findLocked(session, this.#options);
        });
        return this.#judge(row);
      } catch (error) {
        // Anything that a read may meet; what is none is a bug and is thrown on.
        readFault(error, 'look for a commit');
        if (errnoOf(error) === ERRNO.lockWaitTimeout) {
          // The transaction is still open at the server, which waits for a client that is gone.
          await this.#endStale();
        }
      }
      await sleep(timers, backoff.nextDelayMs(), signal);
    }
  }

  #judge(row: partitionRows.PartitionRow | undefined): DefiniteCommitOutcome {
    this.#isInDoubt = false;
    const { topicId, partition, epoch } = this.#options;
    if (row === undefined) {
      const error = new StoreError('dataLoss', `the partition_state row of ${topicId}/${partition} is gone`);
      return { kind: 'refused', error };
    }
    if (row.epoch > epoch) {
      // Whether it was stored before that no longer matters here: whoever asks again asks the newer owner.
      return { kind: 'fenced', epoch: row.epoch };
    }
    if (row.settleSeq === this.#settleSeq + 1) {
      this.#settleSeq += 1;
      return { kind: 'committed' };
    }
    invariant(row.settleSeq === this.#settleSeq, `settle_seq is ${row.settleSeq}, not ${this.#settleSeq}`);
    return { kind: 'refused', error: new StoreError('unavailable', 'the connection was lost before the commit') };
  }

  /** Ends the former connection, which the row still names: a transaction of it may hold the row. */
  async #endStale(): Promise<void> {
    if (this.#connectionId === this.#currentId) {
      // Somebody else holds the row.
      return;
    }
    try {
      await this.#options.kill(this.#connectionId);
    } catch (error) {
      // It is tried again at the next lock wait.
      readFault(error, 'end a connection');
    }
  }
}

async function rollBack(session: Session): Promise<void> {
  if (session.isUsable) {
    // If this fails the session is of no use and the server rolls back when it notices.
    await session.query('ROLLBACK').catch(() => {
      session.destroy();
    });
  }
}

/** Before COMMIT was sent nothing can be stored, whatever went wrong. */
function refusal(error: unknown): DefiniteCommitOutcome {
  const fault = readFault(error, 'settle');
  return fault.kind === 'full' ? { kind: 'full' } : { kind: 'refused', error: fault };
}
