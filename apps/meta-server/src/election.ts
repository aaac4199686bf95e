import { HermesError } from '@hermes/contracts';
import { type Logger } from '@hermes/kit';
import { type Leader, type Metadata, type MetadataDatabase } from '@hermes/metadata';
import { type CancelTimer, createDeferred, sleep, type Timers } from '@hermes/runtime';

import { type Term } from './term.js';

/** How often a meta-server says that it runs. */
const ANNOUNCE_MS = 5_000;

/** Before a term that could not begin is tried again, here or elsewhere. */
const RETRY_MS = 500;

/** What an election needs. */
export interface ElectionOptions {
  readonly database: Pick<MetadataDatabase, 'lead' | 'metaServers'>;
  /** Where this process is reached, once it has started: what others refer to while it leads. */
  readonly endpoint: () => string;
  readonly begin: (metadata: Metadata) => Promise<Term>;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Told of what the process cannot go on after. */
  readonly onFatal: (error: unknown) => void;
}

/** Leads whenever nobody else does, one term after the other, and knows who leads meanwhile. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #stopping = new AbortController();
  readonly #settled = createDeferred<undefined>();
  #hasSettled = false;
  #running: Promise<void> = Promise.resolve();
  #term: Term | undefined;
  #leader: Leader | undefined;
  #hasFault = false;
  #cancelAnnouncement: CancelTimer = () => undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** The term that runs here, if one does; it may have lost leadership just now. */
  get term(): Term | undefined {
    return this.#term;
  }

  /** Resolves once this process leads or knows that it does not; rejects if its first term cannot begin. */
  async start(): Promise<void> {
    await this.#announce();
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) {
        this.#fail(error);
      }
    });
    await this.#settled.promise;
  }

  /** Ends the term, if one runs, with `reason`, and takes part no more. Idempotent. */
  async stop(reason: HermesError): Promise<void> {
    const { database, endpoint } = this.#options;
    this.#stopping.abort(reason);
    this.#cancelAnnouncement();
    await this.#running;
    await database.metaServers.withdraw(endpoint()).catch(() => undefined);
  }

  /** The term, for a call that needs one. Throws NOT_LEADER with who leads, NO_LEADER if nobody is known to. */
  leading(): Term {
    if (this.#term?.leadership.isValid() === true) {
      return this.#term;
    }
    const leader = this.#leader;
    if (leader === undefined) {
      throw new HermesError('NO_LEADER', 'no meta-server leads at this moment');
    }
    throw new HermesError('NOT_LEADER', `the meta-server at ${leader.endpoint} leads`, {
      details: { endpoint: leader.endpoint, epoch: String(leader.epoch) },
    });
  }

  /** Tells operators that this process runs, now and then; a database that is away shows elsewhere. */
  async #announce(): Promise<void> {
    const { database, endpoint, timers } = this.#options;
    await database.metaServers.announce(endpoint()).catch(() => undefined);
    if (!this.#stopping.signal.aborted) {
      this.#cancelAnnouncement = timers.after(ANNOUNCE_MS, () => {
        void this.#announce();
      });
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { database, endpoint, logger } = this.#options;
    while (!signal.aborted) {
      const metadata = await database.lead({
        ...{ holder: endpoint(), signal },
        onFollowing: (leader) => {
          this.#follow(leader);
        },
        onFault: (error) => {
          this.#noteFault(error);
        },
      });
      this.#leader = undefined;
      const term = await this.#begin(metadata);
      if (term !== undefined) {
        this.#term = term;
        this.#settle();
        logger.info({ epoch: metadata.leadership.epoch }, 'this meta-server leads');
        const reason = await Promise.race([metadata.leadership.lost, aborted(signal)]);
        this.#term = undefined;
        this.#leader = leaderIn(reason);
        await term.end(reason);
        this.#noteEnd(metadata.leadership.epoch, reason);
      }
    }
  }

  /** Undefined: it is worth another try, by whoever is first. */
  async #begin(metadata: Metadata): Promise<Term | undefined> {
    const { begin, timers } = this.#options;
    try {
      return await begin(metadata);
    } catch (error) {
      await metadata.resign();
      if (!this.#hasSettled || !(error instanceof HermesError)) {
        throw error;
      }
      this.#noteFault(error);
      await sleep(timers, RETRY_MS, this.#stopping.signal);
      return undefined;
    }
  }

  #follow(leader: Leader | undefined): void {
    this.#hasFault = false;
    if (leader !== undefined && leader.epoch !== this.#leader?.epoch) {
      this.#options.logger.info({ ...leader }, 'another meta-server leads');
    }
    this.#leader = leader;
    this.#settle();
  }

  #noteFault(error: unknown): void {
    this.#leader = undefined;
    if (!this.#hasFault) {
      // Once: it is asked again several times a second.
      this.#hasFault = true;
      this.#options.logger.warn({ err: error }, 'the metadata database cannot say who leads');
    }
    this.#settle();
  }

  #noteEnd(epoch: number, reason: HermesError): void {
    const level = this.#stopping.signal.aborted ? 'info' : 'warn';
    this.#options.logger[level]({ epoch, reason: reason.message }, 'this meta-server leads no longer');
  }

  #settle(): void {
    this.#hasSettled = true;
    this.#settled.resolve(undefined);
  }

  #fail(error: unknown): void {
    if (this.#hasSettled) {
      this.#options.onFatal(error);
    } else {
      this.#settled.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** Who leads by now, as a lost leadership tells. */
function leaderIn({ code, details }: HermesError): Leader | undefined {
  const { endpoint, epoch } = details;
  return code === 'NOT_LEADER' && endpoint !== undefined ? { endpoint, epoch: Number(epoch) } : undefined;
}

/** The signal's reason, once it is aborted. */
function aborted(signal: AbortSignal): Promise<HermesError> {
  return new Promise((resolve) => {
    const tell = (): void => {
      resolve(signal.reason as HermesError);
    };
    if (signal.aborted) {
      tell();
    } else {
      signal.addEventListener('abort', tell, { once: true });
    }
  });
}
