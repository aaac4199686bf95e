import { type GroupDispatcher, type Now, type Wanted } from '@hermes/delivery';
import { type ReadBounds, type RecordBlock } from '@hermes/log';
import { type GroupSettings } from '../catalog/settings.js';
import { feedOf } from './lane-feeds.js';
import { type GroupReader, READ_BYTES_MAX, READ_RECORDS_MAX } from './group-reader.js';
import { type Partition } from './partition.js';

const NOTHING = { offsets: [], keyHashes: [], ends: [] };

/** How near the end of the log a group has to be for its fences to be looked for. */
const FENCES_MAX = 8;

/** Gives a group's dispatcher the records that it wants. */
export class GroupFeed {
  readonly #partition: Partition;
  readonly #dispatcher: GroupDispatcher;
  readonly #reader: GroupReader;
  /** They hold for what is given from now on. */
  settings: Pick<GroupSettings, 'filter' | 'deadLetterExpired'>;
  /** Told how many messages were passed over since they had expired. */
  onExpired: (count: number) => void = () => undefined;
  /** Told how many messages the store has dropped that the group had not settled. */
  onLost: (lane: number, count: number) => void = () => undefined;

  constructor(
    partition: Partition,
    dispatcher: GroupDispatcher,
    reader: GroupReader,
    settings: Pick<GroupSettings, 'filter' | 'deadLetterExpired'>,
  ) {
    this.settings = settings;
    this.#partition = partition;
    this.#dispatcher = dispatcher;
    this.#reader = reader;
  }

  /** Gives what is wanted and memory has; starts to read what memory has not. */
  feed(now: Now): 'nothing' | 'fed' | 'reading' {
    let fed: 'nothing' | 'fed' = 'nothing';
    for (const wanted of this.#dispatcher.wanted(now)) {
      const { lane, from } = wanted;
      const { nextOffset = 0 } = this.#partition.lanes[lane]?.log ?? {};
      if (this.#passTrimmed(lane, from) > from) {
        fed = 'fed';
        continue;
      }
      if (from >= nextOffset) {
        continue;
      }
      const bounds = boundsOf(wanted);
      const block = this.#reader.cached(lane, from, bounds);
      if (block === undefined) {
        this.#reader.load(
          () => this.#reader.read(lane, from, bounds),
          (loaded) => {
            this.#give(lane, loaded);
          },
        );
        return 'reading';
      }
      this.#give(lane, block);
      fed = 'fed';
    }
    return fed;
  }

  /** Gives what has to be known for all that was handed over to be in flight. Rejects with StoreError. */
  async inherit(now: Now): Promise<void> {
    const isNeeded = ({ lane, from }: Wanted): boolean => {
      const { firstOffset = 0, nextOffset = 0 } = this.#partition.lanes[lane]?.log ?? {};
      return from >= firstOffset && from < Math.min(nextOffset, this.#dispatcher.inheritsUpTo(lane));
    };
    const next = (): Wanted | undefined => this.#dispatcher.wanted(now).find(isNeeded);
    for (let wanted = next(); wanted !== undefined; wanted = next()) {
      this.#give(wanted.lane, await this.#reader.read(wanted.lane, wanted.from, boundsOf(wanted)));
    }
  }

  /**
   * Passes over fences at the end of the log, one of which each opening leaves: a group that has settled everything
   * has no lag. Rejects with StoreError.
   */
  async passFences(): Promise<void> {
    const ends = this.#partition.lanes.map(({ log }) => log.nextOffset);
    for (const { lane, floor } of this.#dispatcher.counts(ends)) {
      const from = this.#passTrimmed(lane, floor);
      const left = (ends[lane] ?? 0) - from;
      if (left > 0 && left <= FENCES_MAX) {
        const block = await this.#reader.read(lane, from, { maxRecords: 1, maxBytes: 1 });
        if (block?.count === 0) {
          this.#give(lane, block);
        }
      }
    }
  }

  /** What is not kept any more counts as settled. Gives where the log begins, or `from` if that is not below. */
  #passTrimmed(lane: number, from: number): number {
    const { firstOffset = 0, lostBelow = 0 } = this.#partition.lanes[lane]?.log ?? {};
    if (from >= firstOffset) {
      return from;
    }
    const lost = from < lostBelow ? this.#dispatcher.skip(lane, lostBelow) : 0;
    if (lost > 0) {
      this.onLost(lane, lost);
    }
    this.#dispatcher.feed(lane, { from, nextOffset: firstOffset, ...NOTHING });
    return firstOffset;
  }

  #give(lane: number, block: RecordBlock | undefined): void {
    if (block === undefined) {
      return;
    }
    const { filter, deadLetterExpired } = this.settings;
    // What becomes a dead letter is given out as any message, and found to be expired then.
    const { feed, expired } = feedOf(block, filter, deadLetterExpired ? undefined : this.#partition.timeMs());
    this.#dispatcher.feed(lane, feed);
    this.onExpired(expired);
  }
}

function boundsOf({ recordsMax, bytesMax }: Wanted): ReadBounds {
  return { maxRecords: Math.min(recordsMax, READ_RECORDS_MAX), maxBytes: Math.min(bytesMax, READ_BYTES_MAX) };
}
