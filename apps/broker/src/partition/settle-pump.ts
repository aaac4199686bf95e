import { HermesError } from '@hermes/contracts';
import { type GroupChange, type SealedChanges } from '@hermes/delivery';
import { type CommitOutcome, type DefiniteCommitOutcome, type GroupState, StoreError } from '@hermes/log';
import { Backoff, type CancelTimer, createDeferred, type Deferred, type Random, type Timers } from '@hermes/runtime';
import { commitFailure } from '../rpc/store-failure.js';

/** A group that has changes to write. */
export interface ChangeSource {
  takeChanges(): SealedChanges | undefined;
  committed(ticket: number): void;
}

export interface SettlePumpOptions {
  readonly groupState: GroupState;
  readonly timers: Timers;
  readonly random: Random;
  /** Told once that a newer owner has fenced the partition. Must not throw. */
  readonly onFenced: () => void;
}

/** Between two tries to write the same changes while the store refuses them. */
const RETRY = { initialMs: 50, maxMs: 2_000 };

/**
 * Writes the group changes of one partition: one transaction at a time, and everything that waits meanwhile, of all
 * groups, is the next one. A refused transaction is tried again as it is: its effects wait, its callers are told.
 */
export class SettlePump {
  readonly #options: SettlePumpOptions;
  readonly #sources = new Set<ChangeSource>();
  readonly #backoff: Backoff;
  #next: Deferred<HermesError | undefined> = createDeferred();
  #running = false;
  #closed = false;
  #cancelRetry: CancelTimer = () => undefined;
  #idle: Deferred<void> | undefined;
  #wakeRetry: (() => void) | undefined;

  constructor(options: SettlePumpOptions) {
    this.#options = options;
    this.#backoff = new Backoff(RETRY, options.random);
  }

  /** True while changes wait or are being written. */
  get isBusy(): boolean {
    return this.#running || this.#sources.size > 0;
  }

  /**
   * The source has changes. Resolves once everything that it has decided until now is durable (undefined), or with
   * why that is not known yet.
   */
  write(source: ChangeSource): Promise<HermesError | undefined> {
    if (this.#closed) {
      return Promise.resolve(CLOSED);
    }
    this.#sources.add(source);
    const { promise } = this.#next;
    if (!this.#running) {
      this.#running = true;
      // What is settled in the same turn of the event loop goes along.
      setImmediate(() => void this.#run());
    }
    return promise;
  }

  /** Resolves when nothing waits and nothing is being written. */
  flush(): Promise<void> {
    if (!this.isBusy || this.#closed) {
      return Promise.resolve();
    }
    this.#idle ??= createDeferred();
    return this.#idle.promise;
  }

  /** Writes nothing more; what waits is answered PARTITION_MOVING. */
  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#sources.clear();
    this.#next.resolve(CLOSED);
    this.#cancelRetry();
    this.#wakeRetry?.();
    this.#signalIdle();
  }

  async #run(): Promise<void> {
    while (this.#sources.size > 0 && !this.#closed) {
      const sources = [...this.#sources];
      this.#sources.clear();
      const answer = this.#next;
      this.#next = createDeferred();
      const taken = sources.flatMap((source) => {
        const batch = source.takeChanges();
        return batch === undefined ? [] : [{ source, batch }];
      });
      const changes = taken.flatMap(({ batch }) => batch.changes);
      const failure = changes.length === 0 ? undefined : await this.#commit(changes, answer);
      if (failure === undefined) {
        for (const { source, batch } of taken) {
          source.committed(batch.ticket);
        }
      }
      answer.resolve(failure);
    }
    this.#running = false;
    this.#signalIdle();
  }

  /** Tries until it is written, the partition is fenced, or the pump is closed. */
  async #commit(
    changes: readonly GroupChange[],
    answer: Deferred<HermesError | undefined>,
  ): Promise<HermesError | undefined> {
    for (;;) {
      const outcome = await this.#write(changes);
      if (outcome.kind === 'committed') {
        this.#backoff.reset();
        return undefined;
      }
      const failure = commitFailure(outcome);
      if (outcome.kind === 'fenced') {
        this.close();
        this.#options.onFenced();
        return failure;
      }
      if (this.#closed) {
        return CLOSED;
      }
      answer.resolve(failure);
      await this.#pause();
    }
  }

  async #write(changes: readonly GroupChange[]): Promise<DefiniteCommitOutcome> {
    try {
      const outcome: CommitOutcome = await this.#options.groupState.commit(changes);
      return outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
    } catch (error) {
      if (error instanceof StoreError) {
        return { kind: 'refused', error };
      }
      throw error;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeRetry = resolve;
      this.#cancelRetry = this.#options.timers.after(this.#backoff.nextDelayMs(), resolve);
    });
  }

  #signalIdle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

const CLOSED = new HermesError('PARTITION_MOVING', 'the partition was closed before its changes were written');
