import { type Logger } from '@hermes/kit';
import {
  decodeWindow,
  encodeWindow,
  type IdentifiedPublish,
  type MessageLog,
  type ProducerState,
  PublishWindow,
  StoreError,
  type WindowBounds,
} from '@hermes/log';
import { type TaskGroup } from '@hermes/runtime';

/** Publishes that are read together when the window is loaded. */
const PAGE = 5_000;
/** A snapshot is written when a new owner would have to read so many records, or half of what the window holds. */
const SAVE_RECORDS_MIN = 20_000;

export interface KnownPublishesOptions {
  readonly state: ProducerState;
  readonly lanes: readonly { readonly log: MessageLog }[];
  readonly nextScheduleId: () => number;
  /** The store's time. */
  readonly nowMs: () => number;
  readonly tasks: TaskGroup;
  readonly logger: Logger;
  readonly onFenced: () => void;
}

/**
 * What one owned partition knows of publishes that may be repeated. Nothing is read before the first of them comes or is expected:
 * until then no other can have been stored at this epoch, and partitions without any cost nothing. A snapshot is
 * written now and then, and before anything goes that a new owner would have to read.
 */
export class KnownPublishes {
  readonly #options: KnownPublishesOptions;
  /** Of the requests that are under way, oldest first: nothing that they may have stored is in a snapshot. */
  readonly #underWay = new Set<WindowBounds>();
  #window: PublishWindow | undefined;
  #loading: Promise<void> | undefined;
  #saving: Promise<void> | undefined;
  /** As of the last snapshot. */
  #saved: WindowBounds = { offsets: [], scheduleId: 0 };
  #hasSnapshot = false;
  #isDoubtful = false;

  constructor(options: KnownPublishesOptions) {
    this.#options = options;
  }

  /** Undefined: `load` it first. */
  get window(): PublishWindow | undefined {
    return this.#window;
  }

  /** Resolves once `window` is there. Rejects with StoreError; the next call tries again. */
  load(): Promise<void> {
    return this.#loadOnce();
  }

  /** A request with publishes of this partition begins; what it gives has to `end` once all of them have their outcomes. */
  begin(): WindowBounds {
    const bounds = this.#now();
    this.#underWay.add(bounds);
    return bounds;
  }

  /** Outcomes that are not known (`isDoubtful`) are left to the next owner: no snapshot may pass over them. */
  end(bounds: WindowBounds, isDoubtful: boolean): void {
    this.#underWay.delete(bounds);
    this.#isDoubtful ||= isDoubtful;
    if (this.#lag() >= Math.max(SAVE_RECORDS_MIN, (this.#window?.size ?? 0) / 2)) {
      this.#options.tasks.run('save a snapshot of producers', () => this.save());
    }
  }

  /**
   * Before records of a lane below `offset` go: keeps what a new owner could read of them. False: they have to stay for
   * now. Rejects with StoreError.
   */
  async keepBelow(lane: number, offset: number): Promise<boolean> {
    await this.load();
    if (this.#isEmpty()) {
      return true;
    }
    if ((this.#saved.offsets[lane] ?? 0) < offset) {
      await this.save();
    }
    return (this.#saved.offsets[lane] ?? 0) >= offset;
  }

  /** Writes a snapshot, unless there is nothing to remember. Failures are logged: a new owner reads more, then. */
  save(): Promise<void> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  /** Loads in the background what an owner before has left: who published there goes on here. */
  anticipate(): void {
    const { state, tasks } = this.#options;
    tasks.run('load the snapshot of producers', async () => {
      try {
        const snapshot = await state.load();
        await (snapshot && this.#loadOnce(snapshot));
      } catch (error) {
        // Whoever publishes next tries again.
        if (!(error instanceof StoreError)) {
          throw error;
        }
      }
    });
  }

  async #save(): Promise<void> {
    const window = this.#window;
    if (window === undefined || this.#isDoubtful || this.#isEmpty()) {
      return;
    }
    const [oldest] = this.#underWay;
    const bounds = oldest ?? this.#now();
    try {
      const outcome = await this.#options.state.save(encodeWindow(window.snapshot(), bounds));
      const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
      if (definite.kind === 'committed') {
        this.#saved = bounds;
        this.#hasSnapshot = true;
      } else if (definite.kind === 'fenced') {
        this.#options.onFenced();
      }
    } catch (error) {
      if (!(error instanceof StoreError)) {
        throw error;
      }
      this.#options.logger.warn({ err: error }, 'a snapshot of producers could not be written');
    }
  }

  #loadOnce(snapshot?: Uint8Array): Promise<void> {
    this.#loading ??= this.#load(snapshot).catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #load(snapshot: Uint8Array | undefined): Promise<void> {
    const { state, lanes, nowMs } = this.#options;
    const window = new PublishWindow();
    const bytes = snapshot ?? (await state.load());
    const stored = bytes === undefined ? undefined : decodeWindow(bytes);
    stored?.publishes.forEach((publish) => {
      window.restore(publish);
    });
    const saved: WindowBounds = {
      offsets: lanes.map(({ log }, lane) => stored?.offsets[lane] ?? log.firstOffset),
      scheduleId: stored?.scheduleId ?? 0,
    };
    // Schedules first: one that is promoted meanwhile is found in its lane.
    const scheduled = (from: number): Promise<readonly IdentifiedPublish[]> => state.scheduledFrom(from, PAGE);
    for await (const publish of pages(saved.scheduleId, scheduled, ({ scheduleId }) => scheduleId)) {
      // Nobody knows any more when it was published: it is remembered as long as if it were now.
      window.restore({ ...publish, appendedAtMs: nowMs() });
    }
    for (const [lane, from] of saved.offsets.entries()) {
      const appended = (offset: number): Promise<readonly IdentifiedPublish[]> =>
        state.appendedFrom(lane, offset, PAGE);
      for await (const publish of pages(from, appended, ({ offset }) => offset)) {
        window.restore(publish);
      }
    }
    this.#saved = saved;
    this.#hasSnapshot = stored !== undefined;
    this.#window = window;
  }

  /** Neither now nor in a snapshot anything is known. */
  #isEmpty(): boolean {
    return !this.#hasSnapshot && this.#window?.size === 0;
  }

  #now(): WindowBounds {
    const { lanes, nextScheduleId } = this.#options;
    return { offsets: lanes.map(({ log }) => log.nextOffset), scheduleId: nextScheduleId() };
  }

  /** Records that a new owner would have to read. */
  #lag(): number {
    return this.#options.lanes.reduce(
      (sum, { log }, lane) => sum + log.nextOffset - Math.max(log.firstOffset, this.#saved.offsets[lane] ?? 0),
      0,
    );
  }
}

/** All publishes from a place on, page by page. */
async function* pages(
  first: number,
  read: (from: number) => Promise<readonly IdentifiedPublish[]>,
  placeOf: (publish: IdentifiedPublish) => number | undefined,
): AsyncGenerator<IdentifiedPublish> {
  let from = first;
  for (;;) {
    const page = await read(from);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) {
      return;
    }
    from = (placeOf(last) ?? from) + 1;
  }
}
