import type { Entry } from './entry.js';

/** The order of one lane: which message may be delivered next. Two of them: KeyedSequencer, ExclusiveSequencer. */
export interface Sequencer {
  /**
   * Takes an unsettled message in, which may be in flight already. They come in the order of their offsets, but for those
   * that were dead letters.
   */
  add(entry: Entry): void;
  /** The next message that may be delivered among others; it stays. */
  peek(): Entry | undefined;
  /** The next message that may be delivered alone; it stays. */
  peekSuspect(): Entry | undefined;
  /** The peeked message is in flight now. */
  take(entry: Entry): void;
  /**
   * A message in flight will not be acknowledged. Gives those that are in flight and must come again after it: they
   * are ready again. `barrier`: nothing may pass it until it is settled.
   */
  fail(entry: Entry, barrier: boolean): readonly Entry[];
  /** A message may be delivered again: it is ready. */
  comeBack(entry: Entry): void;
  /** A message is with no consumer any more, and what was decided of it is durable. */
  released(entry: Entry): void;
  /** True if nothing at this offset can be in flight, since a failed message before it lets nothing pass. */
  isBarred(offset: number): boolean;
  /** A message is settled, or dead: it is gone. */
  settled(entry: Entry): void;
  /** Messages that wait behind another one, oldest first, at most `max`: they may be parked in storage. */
  blocked(max: number): readonly Entry[];
}
